import type { Case } from "./case.ts";
import { type Contender, RunningContender } from "./contender.ts";
import type { LoadClient, LoadTimes } from "./load.ts";
import type { Pinning } from "./pinning.ts";

/** What one contender did in one case: the median of every figure over the rounds. */
export interface Figures {
  readonly pinning: Pinning["name"];
  readonly case: Case;
  readonly contender: string;
  readonly urbsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Processor time of the server for one transfer. */
  readonly cpuUs: number | undefined;
  /** Garbage collections during one run. */
  readonly collections: number | undefined;
  /** Throughput beside the C reference in the same rounds. */
  readonly ofReference: number | undefined;
}

type Sample = Omit<Figures, "pinning" | "case" | "contender" | "ofReference">;

/**
 * Every contender in every case, round after round: what disturbs the machine for a while disturbs all of
 * them. Every server runs from the first round to the last, so that all but the first find it warm.
 */
export async function playRounds(
  pinning: Pinning,
  contenders: readonly Contender[],
  cases: readonly Case[],
  rounds: number,
  client: LoadClient,
  times: LoadTimes,
  progress: (round: number) => void,
): Promise<Figures[]> {
  const running: RunningContender[] = [];
  const samples = new Map<string, Sample[]>();
  try {
    for (const contender of contenders) running.push(await RunningContender.start(contender, pinning.server));
    // The first round is for compilers and caches, and does not count.
    for (let round = 0; round <= rounds; round++) {
      progress(round);
      for (const one of cases) {
        for (const server of rotated(running, round)) {
          if (!server.contender.runs(one)) continue;
          const sample = await measure(server, one, client, times, pinning.client);
          if (round > 0) sampleList(samples, server.contender, one).push(sample);
        }
      }
    }
  } finally {
    await Promise.all(running.map((server) => server.stop()));
  }
  return cases.flatMap((one) => figuresOf(pinning.name, one, contenders, samples));
}

async function measure(
  server: RunningContender,
  one: Case,
  client: LoadClient,
  times: LoadTimes,
  cpu: number | undefined,
): Promise<Sample> {
  await server.memory();
  const cpuBefore = server.cpuUs;
  const { urbs, measured, seconds, p50, p99 } = await client.run(server.port, one, times, cpu);
  const cpuAfter = server.cpuUs;
  const memory = await server.memory();
  return {
    urbsPerSecond: measured / seconds,
    megabytesPerSecond: (measured * one.size) / seconds / 1e6,
    p50Us: p50,
    p99Us: p99,
    cpuUs: cpuBefore === undefined || cpuAfter === undefined ? undefined : (cpuAfter - cpuBefore) / urbs,
    collections: memory?.collections,
  };
}

function figuresOf(
  pinning: Pinning["name"],
  one: Case,
  contenders: readonly Contender[],
  samples: Map<string, Sample[]>,
): Figures[] {
  const running = contenders.filter((contender) => contender.runs(one));
  const yardstick = running.find((contender) => contender.isReference);
  const referenceSpeed = yardstick && median(sampleList(samples, yardstick, one).map((s) => s.urbsPerSecond));
  return running.map((contender) => {
    const list = sampleList(samples, contender, one);
    const urbsPerSecond = median(list.map((sample) => sample.urbsPerSecond))!;
    return {
      pinning,
      case: one,
      contender: contender.name,
      urbsPerSecond,
      megabytesPerSecond: median(list.map((sample) => sample.megabytesPerSecond))!,
      p50Us: median(list.map((sample) => sample.p50Us))!,
      p99Us: median(list.map((sample) => sample.p99Us))!,
      cpuUs: median(list.map((sample) => sample.cpuUs)),
      collections: median(list.map((sample) => sample.collections)),
      ofReference: referenceSpeed === undefined ? undefined : urbsPerSecond / referenceSpeed,
    };
  });
}

function sampleList(samples: Map<string, Sample[]>, { name }: Contender, one: Case): Sample[] {
  const key = `${name} ${JSON.stringify(one)}`;
  const list = samples.get(key) ?? [];
  samples.set(key, list);
  return list;
}

function rotated<T>(list: readonly T[], by: number): readonly T[] {
  const start = by % list.length;
  return [...list.slice(start), ...list.slice(0, start)];
}

/** The middle value, the upper one of two; nothing if any is missing. */
function median(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  if (known.length < values.length) return undefined;
  return known.toSorted((a, b) => a - b)[Math.floor(known.length / 2)];
}
