/** Pieces of a byte stream, put together where one arrives cut. */
export class WholePiece {
  /** The last piece that arrived cut. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Bytes of the next one that have come. */
  #length = 0;

  /** `most`: bytes of the longest piece. */
  constructor(most: number) {
    this.bytes = new Uint8Array(most);
  }

  /**
   * Position behind the next piece, of `size` bytes; -1 while not all of it has come. A piece that begins at `at` is whole
   * there; any other one stands in the `bytes` of this object.
   */
  gather(bytes: Uint8Array, at: number, size: number): number {
    if (this.#length === 0 && bytes.length - at >= size) return at + size;
    const length = Math.min(size - this.#length, bytes.length - at);
    this.bytes.set(bytes.subarray(at, at + length), this.#length);
    this.#length += length;
    if (this.#length < size) return -1;
    this.#length = 0;
    return at + length;
  }
}
