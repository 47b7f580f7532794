/** What is told apart within a doubling of time: a figure is at most a sixteenth too high. */
const STEP_BITS = 4;
const STEPS = 1 << STEP_BITS;
/** Of a millisecond: a sixteenth of a microsecond. */
const UNITS_PER_MS = 16_000;
const UNITS_PER_US = UNITS_PER_MS / 1_000;
/** Two minutes; what took longer counts as that. */
const LONGEST = 2 ** 31 - 1;
const BUCKETS = (32 - STEP_BITS) * STEPS;

/** Half of all took no longer than `p50Us`, and so on; 0 where there were none. */
export interface Percentiles {
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
}

/** How long things took. Its size is fixed, and nothing is allocated while it counts. */
export class LatencyHistogram {
  readonly #counts = new Float64Array(BUCKETS);

  add(tookMs: number): void {
    const units = Math.min(Math.max(UNITS_PER_MS * tookMs, 0), LONGEST) | 0;
    this.#counts[bucketOf(units)]! += 1;
  }

  get percentiles(): Percentiles {
    const all = this.#counts.reduce((sum, count) => sum + count, 0);
    return { p50Us: this.#at(0.5 * all), p99Us: this.#at(0.99 * all), p999Us: this.#at(0.999 * all) };
  }

  /** Microseconds that so many did not exceed. */
  #at(rank: number): number {
    let seen = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      seen += count;
      if (count > 0 && seen >= rank) return endOf(bucket) / UNITS_PER_US;
    }
    return 0;
  }
}

/** The first buckets hold a single value each, then each doubling has `STEPS`. */
function bucketOf(units: number): number {
  if (units < STEPS) return units;
  const doublings = 31 - STEP_BITS - Math.clz32(units);
  return doublings * STEPS + (units >>> doublings);
}

/** The first value beyond a bucket. */
function endOf(bucket: number): number {
  if (bucket < 2 * STEPS) return bucket + 1;
  const doublings = (bucket >>> STEP_BITS) - 1;
  return ((bucket & (STEPS - 1)) + STEPS + 1) * 2 ** doublings;
}
