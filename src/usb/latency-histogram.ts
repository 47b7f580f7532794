/** What is told apart within a doubling of time: a figure is at most a sixteenth too high. */
const STEP_BITS = 4;
const STEPS = 1 << STEP_BITS;
/** Of a millisecond: a sixteenth of a microsecond. */
const TICKS_PER_MS = 16_000;
const US_BITS = 4;
export const TICKS_PER_US: number = 1 << US_BITS;
/** Two minutes; what took longer counts as that. */
const LONGEST = 2 ** 31 - 1;
export const LATENCY_BUCKETS: number = (32 - STEP_BITS) * STEPS;
/** Doublings of a microsecond that `doublingsOf` tells apart. */
const DOUBLINGS = 32 - US_BITS;

/** Half of all took no longer than `p50Us`, and so on; 0 where there were none. */
export interface Percentiles {
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
}

/** How long things took. Its size is fixed, and nothing is allocated while it counts. */
export class LatencyHistogram {
  readonly #counts = new Float64Array(LATENCY_BUCKETS);

  add(tookMs: number): void {
    this.addTicks(latencyTicks(tookMs));
  }

  /** What `latencyTicks` has made of it. */
  addTicks(ticks: number): void {
    this.#counts[latencyBucket(ticks)]! += 1;
  }

  get percentiles(): Percentiles {
    return percentilesOf(this.#counts);
  }
}

/** Whole sixteenths of a microsecond. What no clock can mean is moved to the ends. */
export function latencyTicks(tookMs: number): number {
  return Math.min(Math.max(TICKS_PER_MS * tookMs, 0), LONGEST) | 0;
}

/** The first buckets hold a single value each, then each doubling has `STEPS`. */
export function latencyBucket(ticks: number): number {
  if (ticks < STEPS) return ticks;
  const doublings = 31 - STEP_BITS - Math.clz32(ticks);
  return doublings * STEPS + (ticks >>> doublings);
}

/** Of what was counted in `LATENCY_BUCKETS` buckets. */
export function percentilesOf(counts: Float64Array): Percentiles {
  const all = counts.reduce((sum, count) => sum + count, 0);
  const at = (part: number): number => usBelow(counts, part * all);
  return { p50Us: at(0.5), p99Us: at(0.99), p999Us: at(0.999) };
}

/** The same counts by doublings: `[n]` took less than 2^n us and not less than half of it; without empty ones at the end. */
export function doublingsOf(counts: Float64Array): number[] {
  const doublings: number[] = Array.from({ length: DOUBLINGS }, () => 0);
  for (const [bucket, count] of counts.entries()) {
    doublings[32 - Math.clz32(firstOf(bucket) >>> US_BITS)]! += count;
  }
  while (doublings.at(-1) === 0) doublings.pop();
  return doublings;
}

/** Microseconds that so many did not exceed. */
function usBelow(counts: Float64Array, rank: number): number {
  let seen = 0;
  for (const [bucket, count] of counts.entries()) {
    seen += count;
    if (count > 0 && seen >= rank) return firstOf(bucket + 1) / TICKS_PER_US;
  }
  return 0;
}

/** The least value of a bucket. */
function firstOf(bucket: number): number {
  if (bucket < 2 * STEPS) return bucket;
  const doublings = (bucket >>> STEP_BITS) - 1;
  return ((bucket & (STEPS - 1)) + STEPS) * 2 ** doublings;
}
