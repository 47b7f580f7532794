import type { RateLimit } from "./limits.ts";

/** How many URBs a device may still have at this moment. It is full at first. */
export class TokenBucket {
  readonly #limit: RateLimit;
  #tokens: number;
  #atMs: number;

  constructor(limit: RateLimit, nowMs: number) {
    this.#limit = limit;
    this.#tokens = limit.burst;
    this.#atMs = nowMs;
  }

  take(nowMs: number): boolean {
    if (nowMs > this.#atMs) {
      const earned = ((nowMs - this.#atMs) * this.#limit.perSecond) / 1000;
      this.#tokens = Math.min(this.#tokens + earned, this.#limit.burst);
      this.#atMs = nowMs;
    }
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
