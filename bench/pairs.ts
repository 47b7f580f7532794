import type { Case } from "./case.ts";
import { type Contender, RunningContender } from "./contender.ts";
import type { LoadClient } from "./load.ts";
import type { Pinning } from "./pinning.ts";

/** How much more processor time a transfer costs one server than the other: 0.03 is three per cent more. */
export interface Difference {
  readonly pairs: number;
  readonly case: Case;
  /** Processor time of the servers for one transfer, in microseconds: medians. */
  readonly withoutUs: number;
  readonly withUs: number;
  readonly mean: number;
  /** Ends of the 95 % interval of the mean. */
  readonly low: number;
  readonly high: number;
}

/**
 * Measures two servers in pairs, one right after the other and each first in every second pair, so that what the
 * machine does besides meets both. Only the ratio within a pair counts.
 */
export async function comparePairs(
  without: Contender,
  withIt: Contender,
  one: Case,
  client: LoadClient,
  pinning: Pinning,
  pairs: number,
  measureMs: number,
  tell: (pair: number) => void,
): Promise<Difference> {
  const servers = [
    await RunningContender.start(without, pinning.server),
    await RunningContender.start(withIt, pinning.server),
  ] as const;
  const cpuUs: [number[], number[]] = [[], []];
  try {
    // The first pair warms up.
    for (let pair = 0; pair <= pairs; pair++) {
      tell(pair);
      for (const which of pair % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
        // One after the other: two at a time would measure each other.
        // oxlint-disable-next-line no-await-in-loop
        const cost = await cpuOfUrb(servers[which], one, client, pinning.client, measureMs);
        if (pair > 0) cpuUs[which].push(cost);
      }
    }
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
  const ratios = cpuUs[1].map((us, i) => Math.log(us / cpuUs[0][i]!));
  const { mean, error } = meanAndError(ratios);
  return {
    pairs,
    case: one,
    withoutUs: median(cpuUs[0]),
    withUs: median(cpuUs[1]),
    mean: Math.expm1(mean),
    low: Math.expm1(mean - error),
    high: Math.expm1(mean + error),
  };
}

async function cpuOfUrb(
  server: RunningContender,
  one: Case,
  client: LoadClient,
  cpu: number | undefined,
  measureMs: number,
): Promise<number> {
  const before = server.cpuUs;
  const { urbs } = await client.run(server.port, one, { warmMs: 0, measureMs, urbs: 0 }, cpu);
  const after = server.cpuUs;
  if (before === undefined || after === undefined) {
    throw new Error("this system does not tell what processor time a program took (/proc/PID/task)");
  }
  return (after - before) / urbs;
}

/** Mean, and half of its 95 % interval by Student's t, whose factor is below 2.1 from 20 values on. */
function meanAndError(values: readonly number[]): { mean: number; error: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, error: 2.1 * Math.sqrt(squares / (values.length - 1) / values.length) };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
