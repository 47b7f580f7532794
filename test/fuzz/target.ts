import type { Random } from "./random.ts";

/** What became of an input: both are right, the share of values tells whether the inputs reach deep. */
export type Outcome = "value" | "error";

/** Code under fire, with the inputs to begin from and the judge of what it does. */
export interface Target {
  readonly name: string;
  /** Valid inputs. Each is tried as it is and cut at every byte. */
  readonly corpus: readonly Uint8Array[];
  /** A variation of the corpus. */
  mutant(random: Random): Uint8Array;
  /** Feeds the input, cut as `random` says. Throws if the target breaks a promise. */
  judge(bytes: Uint8Array, random: Random): Outcome;
}

/** Two things that must be the same are not. Cheaper than assert.deepEqual, which is for after the fact. */
export function requireSame(actual: unknown, expected: unknown, what: string): void {
  if (!Object.is(actual, expected)) {
    throw new Error(`${what} is ${String(actual)}, expected ${String(expected)}`);
  }
}

export function requireSameBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
  if (Buffer.compare(actual, expected) !== 0) {
    throw new Error(
      `${what}: ${actual.length} bytes ${someHex(actual)}, expected ${expected.length} bytes ${someHex(expected)}`,
    );
  }
}

function someHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(0, 256)).toString("hex");
}

/** Cuts bytes into pieces: whole, single bytes, or of any sizes. */
export function cut(bytes: Uint8Array, random: Random): Uint8Array[] {
  const largest = random.pick([bytes.length, 1, 7, 64, 1000]);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = largest === bytes.length ? largest : 1 + random.below(largest);
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}
