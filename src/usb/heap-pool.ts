import type { BufferPool } from "./device.ts";
import { Fifo } from "./fifo.ts";

/** Sizes up to here are powers of two, larger ones multiples of it: a 16 MiB transfer must not cost 32. */
const COARSE = 64 << 10;
const SMALLEST = 128;

function sizeClass(length: number): number {
  if (length > COARSE) return Math.ceil(length / COARSE) * COARSE;
  return length <= SMALLEST ? SMALLEST : 1 << (32 - Math.clz32(length - 1));
}

/** Where buffers of a size class are kept: the exponent of a power of two, the larger ones behind them. */
function shelfOf(size: number): number {
  return size <= COARSE ? 31 - Math.clz32(size) : 15 + size / COARSE;
}

/**
 * Ordinary memory for the transfers of one session, reused and bounded. Not shared between sessions: reused
 * memory still holds the bytes of the transfer before.
 */
export class HeapPool implements BufferPool {
  readonly #limit: number;
  readonly #dropped: () => void;
  /** Free buffers, by the shelf of their size. */
  #shelves: Fifo<Uint8Array>[] = [];
  #taken = 0;
  #idle = 0;

  /**
   * `limit`: most bytes out at a time, and most bytes kept in all. `dropped` runs when idle buffers were let go: whoever
   * still knows one that was given back has to forget it.
   */
  constructor(limit: number, dropped: () => void = () => {}) {
    this.#limit = limit;
    this.#dropped = dropped;
  }

  /** Bytes that are out, rounded up to whole pieces. */
  get taken(): number {
    return this.#taken;
  }

  take(length: number): Uint8Array | undefined {
    const size = sizeClass(length);
    if (this.#taken + size > this.#limit) return undefined;
    this.#taken += size;
    // The one that came back last is the one that is still in the processor's cache.
    const shelf = shelfOf(size);
    const reused = shelf < this.#shelves.length ? this.#shelves[shelf]!.pop() : undefined;
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
    const shelf = shelfOf(size);
    while (this.#shelves.length <= shelf) this.#shelves.push(new Fifo());
    this.#shelves[shelf]!.push(buffer);
  }

  #drop(): void {
    this.#shelves = [];
    this.#idle = 0;
    this.#dropped();
  }
}
