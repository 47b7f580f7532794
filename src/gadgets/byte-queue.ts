import type { Urb } from "../usb/urb.ts";

/** Bytes on their way to the host, in the pieces in which they came. */
export class ByteQueue {
  #pieces: Uint8Array[] = [];
  /** Bytes of the first piece that have left. */
  #at = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Keeps a copy. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#pieces.push(bytes.slice());
    this.#length += bytes.length;
  }

  clear(): void {
    this.#pieces = [];
    this.#at = 0;
    this.#length = 0;
  }

  /** Moves what fits into `length` bytes at `to` in the buffer of an IN URB. Returns how many bytes that were. */
  take(urb: Urb, to: number, length: number): number {
    let moved = 0;
    let used = 0;
    for (const piece of this.#pieces) {
      const bytes = piece.subarray(this.#at, this.#at + length - moved);
      urb.buffer.set(bytes, to + moved);
      moved += bytes.length;
      this.#at += bytes.length;
      if (this.#at < piece.length) break;
      this.#at = 0;
      used += 1;
    }
    this.#pieces.splice(0, used);
    this.#length -= moved;
    return moved;
  }
}
