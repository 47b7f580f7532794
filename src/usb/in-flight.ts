const SMALLEST = 64;
const FREE = -1;

/** 2^32 by the golden ratio: neighbours are scattered, or all that is in flight would be one row to be searched. */
const SCATTER = 0x9e3779b1;

/**
 * Requests in flight: the tag of each by the number of 32 bits that its peer has given it. Open addressing with linear
 * probing, at most half full. A Map would allocate as it goes.
 */
export class InFlight {
  #numbers = new Uint32Array(SMALLEST);
  #tags = new Int32Array(SMALLEST).fill(FREE);
  #count = 0;
  /** 32 less the bits of a place. */
  #shift = 32 - Math.log2(SMALLEST);

  get count(): number {
    return this.#count;
  }

  /** -1 if no request has this number. */
  find(number: number): number {
    return this.#tags[this.#place(number)]!;
  }

  /** The place that `put` gives to a number; -1 if a request has it already. Nothing may come or go in between. */
  vacancy(number: number): number {
    if (2 * this.#count >= this.#tags.length) this.#grow();
    const place = this.#place(number);
    return this.#tags[place] === FREE ? place : -1;
  }

  /** `tag` is not negative. */
  put(place: number, number: number, tag: number): void {
    this.#numbers[place] = number;
    this.#tags[place] = tag;
    this.#count++;
  }

  /** Does nothing if no request has this number. */
  remove(number: number): void {
    const mask = this.#tags.length - 1;
    let hole = this.#place(number);
    if (this.#tags[hole] === FREE) return;
    this.#count--;
    // What stands behind the hole moves up, unless it would come to stand before its own place.
    for (let i = (hole + 1) & mask; this.#tags[i] !== FREE; i = (i + 1) & mask) {
      const distance = (i - this.#home(this.#numbers[i]!)) & mask;
      if (distance < ((i - hole) & mask)) continue;
      this.#numbers[hole] = this.#numbers[i]!;
      this.#tags[hole] = this.#tags[i]!;
      hole = i;
    }
    this.#tags[hole] = FREE;
  }

  /** Where the number stands, or the free place where it would. */
  #place(number: number): number {
    const mask = this.#tags.length - 1;
    let i = this.#home(number);
    while (this.#tags[i] !== FREE && this.#numbers[i] !== number) i = (i + 1) & mask;
    return i;
  }

  #home(number: number): number {
    // A place is below 2^31: the compiler would keep it as a fraction beside the -1 of "none".
    return (Math.imul(number, SCATTER) >>> this.#shift) | 0;
  }

  #grow(): void {
    this.#shift--;
    const numbers = this.#numbers;
    const tags = this.#tags;
    this.#numbers = new Uint32Array(2 * numbers.length);
    this.#tags = new Int32Array(2 * tags.length).fill(FREE);
    for (const [i, tag] of tags.entries()) {
      if (tag === FREE) continue;
      const place = this.#place(numbers[i]!);
      this.#numbers[place] = numbers[i]!;
      this.#tags[place] = tag;
    }
  }
}
