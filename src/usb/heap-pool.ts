import type { BufferPool } from "./device.ts";

/** Sizes up to here are powers of two, larger ones multiples of it: a 16 MiB transfer must not cost 32. */
const COARSE = 64 << 10;
const SMALLEST = 128;

function sizeClass(length: number): number {
  if (length > COARSE) return Math.ceil(length / COARSE) * COARSE;
  return length <= SMALLEST ? SMALLEST : 1 << (32 - Math.clz32(length - 1));
}

/**
 * Ordinary memory for the transfers of one session, reused and bounded. Not shared between sessions: a
 * reused buffer still holds the bytes of the transfer before.
 */
export class HeapPool implements BufferPool {
  readonly #limit: number;
  readonly #free = new Map<number, Uint8Array[]>();
  #taken = 0;
  #idle = 0;

  /** `limit`: most bytes out at a time, and most bytes kept in all. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes that are out, rounded up to whole buffers. */
  get taken(): number {
    return this.#taken;
  }

  take(length: number): Uint8Array | undefined {
    const size = sizeClass(length);
    if (this.#taken + size > this.#limit) return undefined;
    this.#taken += size;
    const reused = this.#free.get(size)?.pop();
    if (reused !== undefined) {
      this.#idle -= size;
      return reused;
    }
    if (this.#taken + this.#idle > this.#limit) this.#drop();
    return new Uint8Array(size);
  }

  give(buffer: Uint8Array): void {
    const size = buffer.length;
    this.#taken -= size;
    this.#idle += size;
    const free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, [buffer]);
    else free.push(buffer);
  }

  #drop(): void {
    this.#free.clear();
    this.#idle = 0;
  }
}
