/** No slot, or no run of them. */
export const NO_SLOT = -1;

/** Which data slots are in use. A transfer has a run of slots that stand side by side; the lowest that fits. */
export class SlotMap {
  readonly count: number;
  readonly #isUsed: Uint8Array;
  #used = 0;
  #peak = 0;
  /** All slots below it are in use. */
  #lowest = 0;

  constructor(count: number) {
    this.count = count;
    this.#isUsed = new Uint8Array(count);
  }

  get used(): number {
    return this.#used;
  }

  /** Most that were in use at once. */
  get peak(): number {
    return this.#peak;
  }

  /** The first of `length` slots, or `NO_SLOT`. */
  take(length: number): number {
    if (length > this.count - this.#used) return NO_SLOT;
    let first = this.#lowest;
    for (let slot = first; slot < this.count; slot++) {
      if (this.#isUsed[slot] !== 0) {
        first = slot + 1;
        continue;
      }
      if (slot - first + 1 < length) continue;
      this.#mark(1, first, length);
      this.#used += length;
      if (this.#used > this.#peak) this.#peak = this.#used;
      if (first === this.#lowest) this.#lowest = first + length;
      return first;
    }
    return NO_SLOT;
  }

  give(first: number, length: number): void {
    this.#mark(0, first, length);
    this.#used -= length;
    if (first < this.#lowest) this.#lowest = first;
  }

  /** Most runs are short. */
  #mark(use: 0 | 1, first: number, length: number): void {
    for (let slot = first; slot < first + length; slot++) this.#isUsed[slot] = use;
  }
}
