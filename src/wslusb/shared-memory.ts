import { HeapPool } from "../usb/heap-pool.ts";
import type { WslusbLimits } from "./limits.ts";

/** The smallest piece of the pool, which rounds every other up to less than twice its size. */
const SMALLEST = 128;

/** Transfer memory of one connection, of which each of its devices has a share. */
export class SharedMemory {
  readonly #limits: WslusbLimits;
  readonly #pool: HeapPool;
  /** What devices have beyond their reserves. */
  #beyond = 0;

  /** `dropped`: see `HeapPool`. */
  constructor(limits: WslusbLimits, dropped: () => void) {
    this.#limits = limits;
    const { devices, urbs, reserve, totalBytes } = limits;
    // Whatever is within the limits is there, in pieces as the pool cuts them.
    const most = 2 * (totalBytes + devices * reserve) + devices * urbs * SMALLEST;
    this.#pool = new HeapPool(most, dropped);
  }

  /** `length` bytes, which count `cost`. */
  take(share: MemoryShare, length: number, cost: number): Uint8Array | undefined {
    const { bytes, totalBytes } = this.#limits;
    if (share.taken + cost > bytes) return undefined;
    if (
      this.#beyond + this.#beyondReserve(share.taken + cost) - this.#beyondReserve(share.taken) >
      totalBytes
    ) {
      return undefined;
    }
    const buffer = this.#pool.take(length);
    if (buffer !== undefined) this.#count(share, cost);
    return buffer;
  }

  give(share: MemoryShare, buffer: Uint8Array, cost: number): void {
    this.#pool.give(buffer);
    this.#count(share, -cost);
  }

  #count(share: MemoryShare, change: number): void {
    this.#beyond -= this.#beyondReserve(share.taken);
    share.taken += change;
    this.#beyond += this.#beyondReserve(share.taken);
  }

  #beyondReserve(taken: number): number {
    return Math.max(taken - this.#limits.reserve, 0);
  }
}

/** What the memory of one device counts. */
export interface MemoryShare {
  taken: number;
}
