import type { HeapPool } from "../usb/heap-pool.ts";

/** Holds the answers of 32 bulk transfers of 512 bytes, and nearly twice as many. */
const PAGE_BYTES = 32 << 10;
/** Pages that are kept for later. */
const IDLE_MAX = 4;

/** Memory that is given out in pieces, one behind the other, and begun anew when all of them have come back. */
export class Page {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  /** Bytes that are given out, from the front. */
  used = 0;
  /** Pieces that have not come back. */
  pieces = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
  }
}

/** The pages of one session. They count against its limits as a whole. */
export class Pages {
  readonly #memory: HeapPool;
  /** The page that is being given out. */
  #open = new Page(new Uint8Array(0));
  readonly #idle: Page[] = [];

  constructor(memory: HeapPool) {
    this.#memory = memory;
  }

  /**
   * Gives out a piece, a number of whole words and at most a page: the last `length` bytes that are used of the page in
   * the answer.
   * Nothing if the limit of the session is reached.
   */
  take(length: number): Page | undefined {
    const open = this.#open;
    const page = open.used + length <= open.bytes.length ? open : this.#turn();
    if (page === undefined) return undefined;
    page.used += length;
    page.pieces++;
    return page;
  }

  /** Takes one piece back. */
  give(page: Page): void {
    if (--page.pieces > 0) return;
    page.used = 0;
    if (page === this.#open) return;
    if (this.#idle.length < IDLE_MAX) this.#idle.push(page);
    else this.#memory.give(page.bytes);
  }

  #turn(): Page | undefined {
    const idle = this.#idle.pop();
    const bytes = idle?.bytes ?? this.#memory.take(PAGE_BYTES);
    if (bytes === undefined) return undefined;
    this.#open = idle ?? new Page(bytes);
    return this.#open;
  }
}
