const NOTHING: readonly Uint8Array[] = [];
const NOBODY = (): void => {};

/** A write that the kernel has not taken whole, and the next one behind it. */
export class Outgoing {
  chunks = NOTHING;
  written = NOBODY;
  /** What goes next: from byte `offset` of chunk `first` on. */
  first = 0;
  offset = 0;
  next: Outgoing | undefined;

  begin(chunks: readonly Uint8Array[], written: () => void): void {
    this.chunks = chunks;
    this.written = written;
    this.first = 0;
    this.offset = 0;
  }

  /** Counts bytes as sent; true if they were the last. */
  advance(length: number): boolean {
    let left = length + this.offset;
    let { first } = this;
    while (first < this.chunks.length && left >= this.chunks[first]!.length) {
      left -= this.chunks[first]!.length;
      first++;
    }
    this.first = first;
    this.offset = left;
    return first === this.chunks.length;
  }

  /** Keeps nothing alive. */
  clear(): void {
    this.next = undefined;
    this.chunks = NOTHING;
    this.written = NOBODY;
  }
}
