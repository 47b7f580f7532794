import type { BufferPool } from "./device.ts";
import { Fifo } from "./fifo.ts";

/** No memory is left. */
export const NONE = 0;

const SMALLEST = 128;
/** Sizes up to here are powers of two. */
const FINE = 4 << 10;
/** Sizes up to here are multiples of `FINE`, larger ones of this: a 16 MiB transfer must not cost 32. */
const COARSE = 64 << 10;

/** Shelves of powers of two, the first empty, and those up to `COARSE`. */
const POWERS = 32 - Math.clz32(FINE);
const FINE_SHELVES = POWERS + COARSE / FINE;

function sizeClass(length: number): number {
  if (length > COARSE) return Math.ceil(length / COARSE) * COARSE;
  if (length > FINE) return Math.ceil(length / FINE) * FINE;
  return length <= SMALLEST ? SMALLEST : 1 << (32 - Math.clz32(length - 1));
}

/** Where buffers of a size class are kept. */
function shelfOf(size: number): number {
  if (size > COARSE) return FINE_SHELVES + size / COARSE;
  return size > FINE ? POWERS + size / FINE : 31 - Math.clz32(size);
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
    const size = this.reserve(length);
    return size === NONE ? undefined : this.fetch(size);
  }

  /**
   * Counts memory as out that may be needed, and tells how much; `NONE` if there is not so much. `fetch` or `unreserve`
   * is to follow, with this number.
   */
  reserve(length: number): number {
    const size = sizeClass(length);
    if (this.#taken + size > this.#limit) return NONE;
    this.#taken += size;
    return size;
  }

  unreserve(size: number): void {
    this.#taken -= size;
  }

  /** Memory that was reserved. */
  fetch(size: number): Uint8Array {
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
