import type { BlockFailure, BlockStore } from "../../gadgets/block-store.ts";
import type { GadgetSpecification } from "../../gadgets/catalog.ts";
import { type MemoryPages, MemoryStore } from "../../gadgets/memory-store.ts";

/**
 * A disk in memory whose content is in one thread at a time, without being copied: each thread has a store, and of the two
 * one has the pages. What is asked of the other waits for them.
 */
export class TravellingStore implements BlockStore {
  readonly blockSize: number;
  readonly blockCount: number;
  readonly readOnly: boolean;
  readonly #store: MemoryStore;
  #isHere: boolean;
  #waiting: (() => void) | undefined;

  constructor(size: number, readOnly: boolean, isHere: boolean) {
    this.#store = new MemoryStore(size, readOnly);
    this.#isHere = isHere;
    this.blockSize = this.#store.blockSize;
    this.blockCount = this.#store.blockCount;
    this.readOnly = readOnly;
  }

  /** That of a gadget; nothing if it keeps nothing when it is given back. */
  static of(specification: GadgetSpecification, isHere: boolean): TravellingStore | undefined {
    if (specification.kind !== "disk" || "file" in specification.content) return undefined;
    return new TravellingStore(specification.content.size, specification.readOnly, isHere);
  }

  get isHere(): boolean {
    return this.#isHere;
  }

  /** Takes the content out, for the other thread. */
  leave(): MemoryPages {
    this.#isHere = false;
    return this.#store.release();
  }

  /** The other thread has sent the content. */
  came(pages: MemoryPages): void {
    this.#store.adopt(pages);
    this.#isHere = true;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.();
  }

  read(lba: number, target: Uint8Array, done: (failure?: BlockFailure) => void): void {
    if (this.#isHere) this.#store.read(lba, target, done);
    else this.#waiting = () => this.#store.read(lba, target, done);
  }

  readNow(lba: number, target: Uint8Array): boolean {
    return this.#isHere && this.#store.readNow(lba, target);
  }

  write(lba: number, source: Uint8Array, done: (failure?: BlockFailure) => void): void {
    if (this.#isHere) this.#store.write(lba, source, done);
    else this.#waiting = () => this.#store.write(lba, source, done);
  }

  flush(done: (failure?: BlockFailure) => void): void {
    if (this.#isHere) this.#store.flush(done);
    else this.#waiting = () => this.#store.flush(done);
  }
}

/** What is moved with pages instead of being copied. */
export function buffersOf(pages: MemoryPages): ArrayBuffer[] {
  return Array.from(pages.values(), ({ buffer }) => buffer);
}
