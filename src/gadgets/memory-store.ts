import type { BlockFailure, BlockStore } from "./block-store.ts";

const PAGE = 64 * 1024;

/** By number, what was written. */
export type MemoryPages = ReadonlyMap<number, Uint8Array<ArrayBuffer>>;

/** A disk in memory, empty at first. Pages that only ever held zeros take no room. */
export class MemoryStore implements BlockStore {
  readonly blockSize = 512;
  readonly blockCount: number;
  readonly readOnly: boolean;
  #pages = new Map<number, Uint8Array<ArrayBuffer>>();

  /** Rounds `size` down to whole blocks. */
  constructor(size: number, readOnly = false) {
    this.blockCount = Math.floor(size / this.blockSize);
    this.readOnly = readOnly;
  }

  read(lba: number, target: Uint8Array, done: (failure?: BlockFailure) => void): void {
    this.readNow(lba, target);
    done();
  }

  readNow(lba: number, target: Uint8Array): boolean {
    this.#walk(lba, target.length, (page, at, from, to) => {
      const bytes = this.#pages.get(page);
      if (bytes === undefined) target.fill(0, from, to);
      else target.set(bytes.subarray(at, at + to - from), from);
    });
    return true;
  }

  write(lba: number, source: Uint8Array, done: (failure?: BlockFailure) => void): void {
    this.#walk(lba, source.length, (page, at, from, to) => {
      const piece = source.subarray(from, to);
      let bytes = this.#pages.get(page);
      if (bytes === undefined) {
        if (piece.every((byte) => byte === 0)) return;
        bytes = new Uint8Array(PAGE);
        this.#pages.set(page, bytes);
      }
      bytes.set(piece, at);
    });
    done();
  }

  flush(done: (failure?: BlockFailure) => void): void {
    done();
  }

  /** Takes out what was written: the disk is empty again. */
  release(): MemoryPages {
    const pages = this.#pages;
    this.#pages = new Map();
    return pages;
  }

  /** Has from here on what another one of its size has released. */
  adopt(pages: MemoryPages): void {
    this.#pages = new Map(pages);
  }

  #walk(
    lba: number,
    length: number,
    visit: (page: number, at: number, from: number, to: number) => void,
  ): void {
    for (let from = 0; from < length; ) {
      const place = lba * this.blockSize + from;
      const at = place % PAGE;
      const to = Math.min(length, from + PAGE - at);
      visit(Math.floor(place / PAGE), at, from, to);
      from = to;
    }
  }
}
