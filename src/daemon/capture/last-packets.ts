/** The last packets that fit into so many bytes. */
export class LastPackets {
  readonly #limit: number;
  /** Oldest first, from `#first` on. */
  #blocks: Uint8Array[] = [];
  #first = 0;
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Tells how many older ones had to go. */
  add(block: Uint8Array): number {
    // A view would keep all that came with it.
    this.#blocks.push(block.slice());
    this.#bytes += block.length;
    const before = this.#first;
    while (this.#bytes > this.#limit && this.#first < this.#blocks.length) {
      this.#bytes -= this.#blocks[this.#first]!.length;
      this.#first++;
    }
    const gone = this.#first - before;
    if (this.#first > 1024 && 2 * this.#first > this.#blocks.length) {
      this.#blocks = this.#blocks.slice(this.#first);
      this.#first = 0;
    }
    return gone;
  }

  all(): readonly Uint8Array[] {
    return this.#blocks.slice(this.#first);
  }
}
