import { HeapPool } from "../usb/heap-pool.ts";
import type { WslusbLimits } from "./limits.ts";

/** How much larger than what was asked for a piece can be. */
const ROUNDED_UP = 64 << 10;

/** Transfer memory of one connection, of which each of its devices has a share. */
export class SharedMemory {
  readonly #limits: WslusbLimits;
  readonly #pool: HeapPool;
  /** What devices have beyond their reserves. */
  #beyond = 0;

  /** `dropped`: see `HeapPool`. */
  constructor(limits: WslusbLimits, dropped: () => void) {
    this.#limits = limits;
    const perDevice = limits.reserve + ROUNDED_UP;
    this.#pool = new HeapPool(limits.totalBytes + limits.devices * perDevice, dropped);
  }

  take(share: MemoryShare, length: number): Uint8Array | undefined {
    const { bytes, totalBytes } = this.#limits;
    if (share.taken + length > bytes) return undefined;
    if (
      this.#beyond + this.#beyondReserve(share.taken + length) - this.#beyondReserve(share.taken) >
      totalBytes
    ) {
      return undefined;
    }
    const buffer = this.#pool.take(length);
    if (buffer !== undefined) this.#count(share, buffer.length);
    return buffer;
  }

  give(share: MemoryShare, buffer: Uint8Array): void {
    this.#pool.give(buffer);
    this.#count(share, -buffer.length);
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

/** Bytes that one device has, rounded up to whole pieces. */
export interface MemoryShare {
  taken: number;
}
