const SMALLEST = 64;
const FREE = -1;

/** 2^32 by the golden ratio: neighbours are scattered, or all that is in flight would be one row to be searched. */
const SCATTER = 0x9e3779b1;

/**
 * Requests in flight: the tag of each by its seqnum. Open addressing with linear probing, at most half full. A Map
 * would allocate as it goes.
 */
export class InFlight {
  #seqnums = new Uint32Array(SMALLEST);
  #tags = new Int32Array(SMALLEST).fill(FREE);
  #count = 0;
  /** 32 less the bits of a place. */
  #shift = 32 - Math.log2(SMALLEST);

  /** -1 if no request has this seqnum. */
  find(seqnum: number): number {
    return this.#tags[this.#place(seqnum)]!;
  }

  /** The place that `put` gives to a seqnum; -1 if a request has it already. Nothing may come or go in between. */
  vacancy(seqnum: number): number {
    if (2 * this.#count >= this.#tags.length) this.#grow();
    const place = this.#place(seqnum);
    return this.#tags[place] === FREE ? place : -1;
  }

  /** `tag` is not negative. */
  put(place: number, seqnum: number, tag: number): void {
    this.#seqnums[place] = seqnum;
    this.#tags[place] = tag;
    this.#count++;
  }

  /** Does nothing if no request has this seqnum. */
  remove(seqnum: number): void {
    const mask = this.#tags.length - 1;
    let hole = this.#place(seqnum);
    if (this.#tags[hole] === FREE) return;
    this.#count--;
    // What stands behind the hole moves up, unless it would come to stand before its own place.
    for (let i = (hole + 1) & mask; this.#tags[i] !== FREE; i = (i + 1) & mask) {
      const distance = (i - this.#home(this.#seqnums[i]!)) & mask;
      if (distance < ((i - hole) & mask)) continue;
      this.#seqnums[hole] = this.#seqnums[i]!;
      this.#tags[hole] = this.#tags[i]!;
      hole = i;
    }
    this.#tags[hole] = FREE;
  }

  /** Where the seqnum stands, or the free place where it would. */
  #place(seqnum: number): number {
    const mask = this.#tags.length - 1;
    let i = this.#home(seqnum);
    while (this.#tags[i] !== FREE && this.#seqnums[i] !== seqnum) i = (i + 1) & mask;
    return i;
  }

  #home(seqnum: number): number {
    return Math.imul(seqnum, SCATTER) >>> this.#shift;
  }

  #grow(): void {
    this.#shift--;
    const seqnums = this.#seqnums;
    const tags = this.#tags;
    this.#seqnums = new Uint32Array(2 * seqnums.length);
    this.#tags = new Int32Array(2 * tags.length).fill(FREE);
    for (const [i, tag] of tags.entries()) {
      if (tag === FREE) continue;
      const place = this.#place(seqnums[i]!);
      this.#seqnums[place] = seqnums[i]!;
      this.#tags[place] = tag;
    }
  }
}
