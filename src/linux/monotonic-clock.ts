import { type Libc, libc } from "./libc.ts";
import { SystemError } from "./system-error.ts";

const CLOCK_MONOTONIC = 1;

/** Milliseconds of the system's monotonic clock, without the garbage that `performance.now` leaves. */
export class MonotonicClock {
  readonly #libc: Libc;
  /** struct timespec: tv_sec in two words, tv_nsec in two. */
  readonly #time = new Uint32Array(4);
  readonly #address: bigint;

  private constructor(c: Libc) {
    this.#libc = c;
    this.#address = c.address(this.#time.buffer);
  }

  static open(): MonotonicClock | SystemError {
    const c = libc();
    return c instanceof SystemError ? c : new MonotonicClock(c);
  }

  now(): number {
    this.#libc.clock_gettime(CLOCK_MONOTONIC, this.#address);
    return this.#time[0]! * 1e3 + this.#time[2]! / 1e6;
  }
}
