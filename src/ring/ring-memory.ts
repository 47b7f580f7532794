/**
 * Memory that two sides share, by its words and by its bytes. Atomics are sequentially consistent and real ones also on
 * memory that is mapped, and not a SharedArrayBuffer.
 */
export class RingMemory {
  readonly bytes: Uint8Array;
  /** For what is read and written between two words that order it. */
  readonly words: Int32Array;

  /** By two words at a time, for zeros. */
  readonly pairs: Float64Array;

  /** `at` is a multiple of 8. */
  constructor(buffer: ArrayBufferLike, at = 0, length: number = buffer.byteLength - at) {
    this.bytes = new Uint8Array(buffer, at, length);
    this.words = new Int32Array(buffer, at, length >>> 2);
    this.pairs = new Float64Array(buffer, at, length >>> 3);
  }

  get length(): number {
    return this.bytes.length;
  }

  /** The word at a byte offset, which is a multiple of 4. */
  load(at: number): number {
    return Atomics.load(this.words, at >> 2) >>> 0;
  }

  store(at: number, value: number): void {
    Atomics.store(this.words, at >> 2, value | 0);
  }
}
