import { Arena } from "../../linux/arena.ts";
import type { BufferPool } from "../../usb/device.ts";

/** Below this the kernel's copy costs less than the mapping is worth (measured: nothing at 512 B, a fifth at 16 KiB). */
export const MAPPED_FROM = 16 << 10;

/** A piece holds a power of two, and a page for what a sink keeps in front of it and behind. */
const PAGE = 4 << 10;
const LARGEST = 1 << 20;
const SHELVES = 1 + Math.log2(LARGEST / MAPPED_FROM);

/** The kernel lends 16 MiB to all programs together, mapped or not, unless told otherwise (usbfs_memory_mb). */
const POOL_BYTES = 4 << 20;

/**
 * Buffers that the device's host controller reaches by itself: nothing is copied between kernel and program. Each is in
 * one piece, taken from the kernel when it is first asked for and kept until the device is closed.
 */
export class MappedPool implements BufferPool {
  readonly #fd: number;
  readonly #arenas = new Map<ArrayBufferLike, Arena>();
  readonly #shelves: Uint8Array[][] = Array.from({ length: SHELVES }, () => []);
  #bytes = 0;
  #isClosed = false;

  constructor(fd: number) {
    this.#fd = fd;
  }

  take(length: number): Uint8Array | undefined {
    if (length < MAPPED_FROM || length > LARGEST + PAGE || this.#isClosed) return undefined;
    const shelf = shelfOf(length);
    return this.#shelves[shelf]!.pop() ?? this.#map((MAPPED_FROM << shelf) + PAGE);
  }

  give(buffer: Uint8Array): void {
    if (this.#isClosed) this.#free(buffer);
    else this.#shelves[shelfOf(buffer.length)]!.push(buffer);
  }

  /** Buffers that are out stay what they are until they are given back. */
  close(): void {
    this.#isClosed = true;
    for (const shelf of this.#shelves) for (const buffer of shelf.splice(0)) this.#free(buffer);
  }

  #map(bytes: number): Uint8Array | undefined {
    if (this.#bytes + bytes > POOL_BYTES) return undefined;
    const arena = Arena.of(this.#fd, bytes);
    // The limit is reached, or memory is in pieces: the sink has memory of its own.
    if (!(arena instanceof Arena)) return undefined;
    this.#bytes += bytes;
    this.#arenas.set(arena.bytes.buffer, arena);
    return arena.bytes;
  }

  #free(buffer: Uint8Array): void {
    this.#arenas.get(buffer.buffer)!.free();
    this.#arenas.delete(buffer.buffer);
  }
}

/** The exponent of its power of two. */
function shelfOf(length: number): number {
  const pieces = Math.ceil((length - PAGE) / MAPPED_FROM);
  return pieces <= 1 ? 0 : 32 - Math.clz32(pieces - 1);
}
