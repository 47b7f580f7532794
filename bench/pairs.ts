import { median } from "./median.ts";
/** Processor time of a server for one transfer, in microseconds, by what of the server it is of. */
export type Costs = Readonly<Record<string, number>>;

/** How much more processor time a transfer costs one server than the other: 0.03 is three per cent more. */
export interface Difference {
  /** What of the server is measured. */
  readonly of: string;
  readonly pairs: number;
  /** Processor time for one transfer, in microseconds: medians. */
  readonly withoutUs: number;
  readonly withUs: number;
  /** The least that any measurement found: what the machine does besides only adds to it. */
  readonly withoutLeastUs: number;
  readonly withLeastUs: number;
  /** The median of how much more it was within a pair. */
  readonly more: number;
  /** Ends of its 95 % interval. */
  readonly low: number;
  readonly high: number;
}

/**
 * Measures without something and with it in pairs, one right after the other and each first in every second pair, so
 * that what the machine does besides meets both. Only the ratio within a pair counts, and of these the median.
 */
export async function comparePairs(
  measure: (withIt: boolean) => Promise<Costs>,
  pairs: number,
  tell: (pair: number) => void,
): Promise<readonly Difference[]> {
  const without: Costs[] = [];
  const withIt: Costs[] = [];
  // The first pair warms up.
  for (let pair = 0; pair <= pairs; pair++) {
    tell(pair);
    for (const isWith of pair % 2 === 0 ? [false, true] : [true, false]) {
      // One after the other: two at a time would measure each other.
      // oxlint-disable-next-line no-await-in-loop
      const costs = await measure(isWith);
      if (pair > 0) (isWith ? withIt : without).push(costs);
    }
  }
  return Object.keys(without[0]!).map((of) => {
    const ratios = withIt.map((costs, i) => costs[of]! / without[i]![of]!).toSorted((a, b) => a - b);
    const rank = intervalRank(pairs);
    return {
      of,
      pairs,
      withoutUs: median(without.map((costs) => costs[of]!)),
      withUs: median(withIt.map((costs) => costs[of]!)),
      withoutLeastUs: Math.min(...without.map((costs) => costs[of]!)),
      withLeastUs: Math.min(...withIt.map((costs) => costs[of]!)),
      more: median(ratios) - 1,
      low: ratios[rank]! - 1,
      high: ratios.at(-1 - rank)! - 1,
    };
  });
}

/**
 * Between this one of the sorted values, counted from either end, lies the median of what they are a sample of, 19 times of 20,
 * however they are distributed: a pair that met something else does not count more than others.
 */
function intervalRank(values: number): number {
  return Math.max(Math.floor(values / 2 - 0.98 * Math.sqrt(values)), 0);
}
