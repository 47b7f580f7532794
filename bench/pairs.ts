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
  readonly mean: number;
  /** Ends of the 95 % interval of the mean. */
  readonly low: number;
  readonly high: number;
}

/**
 * Measures without something and with it in pairs, one right after the other and each first in every second pair, so
 * that what the machine does besides meets both. Only the ratio within a pair counts.
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
    const ratios = withIt.map((costs, i) => Math.log(costs[of]! / without[i]![of]!));
    const { mean, error } = meanAndError(ratios);
    return {
      of,
      pairs,
      withoutUs: median(without.map((costs) => costs[of]!)),
      withUs: median(withIt.map((costs) => costs[of]!)),
      mean: Math.expm1(mean),
      low: Math.expm1(mean - error),
      high: Math.expm1(mean + error),
    };
  });
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
