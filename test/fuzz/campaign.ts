import { Random } from "./random.ts";
import type { Target } from "./target.ts";

export interface CampaignOptions {
  readonly seed: number;
  /** Mutants to try. */
  readonly inputs: number;
  /** Ends earlier. */
  readonly seconds?: number;
  /** Tries only the truncations whose length is a multiple of it. Default 1. */
  readonly truncateEvery?: number;
}

/** What a run over one target did. */
export interface CampaignResult {
  readonly truncations: number;
  readonly mutants: number;
  /** Mutants that were taken for a valid message. */
  readonly values: number;
  readonly seconds: number;
}

/** A target broke a promise. `message` holds all that is needed to see it again. */
export class Finding extends Error {
  override readonly name = "Finding";
}

/** Of the mutants that must still be taken for valid messages, or a run does not reach deep. */
export const VALUES_SHARE_MIN = 0.3;

/** A time box is looked at this often. */
const CLOCK_EVERY = 64;

/**
 * Feeds a target its corpus, every truncation of it, and mutants. They take turns, so that a long corpus leaves time for
 * mutants. Throws a `Finding`.
 */
export function campaign(target: Target, options: CampaignOptions): CampaignResult {
  const { seed, inputs, truncateEvery = 1 } = options;
  const startMs = performance.now();
  const endMs = startMs + (options.seconds ?? Number.POSITIVE_INFINITY) * 1000;
  const cut = truncationsOf(target, truncateEvery);
  let truncations = 0;
  let mutants = 0;
  let values = 0;
  for (let turn = 0; turn % CLOCK_EVERY !== 0 || performance.now() < endMs; turn++) {
    const next = cut.next();
    if (next.done !== true) {
      judge(target, next.value, seed, next.value.length, "truncation");
      truncations++;
    } else if (mutants >= inputs) {
      break;
    }
    if (mutants < inputs) {
      if (tryMutant(target, seed, mutants) === "value") values++;
      mutants++;
    }
  }
  return { truncations, mutants, values, seconds: (performance.now() - startMs) / 1000 };
}

/** All of the corpus whole, then each message or session without its last byte, and so on until nothing is left. */
function* truncationsOf({ corpus }: Target, every: number): Generator<Uint8Array, undefined> {
  const longest = corpus.reduce((most, { length }) => Math.max(most, length), 0);
  for (let cut = 0; cut <= longest; cut++) {
    for (const whole of corpus) {
      const length = whole.length - cut;
      if (length >= 0 && (length % every === 0 || cut === 0)) yield whole.subarray(0, length);
    }
  }
}

/** Makes and judges the mutant of that number. */
export function tryMutant(target: Target, seed: number, number: number): "value" | "error" {
  return judge(target, target.mutant(new Random(seed, 2 * number)), seed, number, "mutant");
}

function judge(
  target: Target,
  bytes: Uint8Array,
  seed: number,
  number: number,
  kind: "truncation" | "mutant",
): "value" | "error" {
  try {
    return target.judge(bytes, new Random(seed, 2 * number + 1));
  } catch (cause) {
    const again =
      kind === "mutant"
        ? `Again: node dist/test/fuzz/main.js --target "${target.name}" --seed ${seed} --mutant ${number}`
        : `The truncation has ${number} bytes.`;
    const hex = Buffer.from(bytes.subarray(0, 4096)).toString("hex");
    throw new Finding(
      `${target.name}, ${kind} ${number} of seed ${seed}: ${String(cause)}\n${again}\nInput: ${hex}`,
      { cause },
    );
  }
}
