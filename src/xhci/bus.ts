import { copyBytes } from "../wire/copy-bytes.ts";
import type { GuestMemory } from "./guest-memory.ts";

const PAGE = 4096;
const WORDS = PAGE / 4;
/** Pages that are remembered, each way. */
const ENTRIES = 256;

/**
 * A device's way to the memory of its guest. Rings and contexts are read word by word, so pages are remembered, until
 * mappings change. Words are little endian, as every computer is that guests run on.
 */
export class Bus {
  readonly #memory: GuestMemory;
  #generation: number;
  readonly #numbers = new Float64Array(2 * ENTRIES).fill(-1);
  readonly #pages: (Int32Array | undefined)[] = Array.from({ length: 2 * ENTRIES });
  /** `load` or `store` has missed the memory since this was last cleared. */
  faulted = false;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
    this.#generation = memory.generation;
  }

  /** Lets go of every view. */
  forget(): void {
    this.#numbers.fill(-1);
    this.#pages.fill(undefined);
    this.#generation = this.#memory.generation;
  }

  /** The words of the page in which an address lies; its own is at `wordInPage`. */
  page(address: number, write: boolean): Int32Array | undefined {
    if (this.#generation !== this.#memory.generation) this.forget();
    const number = Math.floor(address / PAGE);
    const entry = (number & (ENTRIES - 1)) + (write ? ENTRIES : 0);
    if (this.#numbers[entry] === number) return this.#pages[entry];
    const words = this.#look(number * PAGE, write);
    if (words === undefined) return undefined;
    this.#numbers[entry] = number;
    this.#pages[entry] = words;
    return words;
  }

  /** 0 and `faulted` where there is no memory. */
  load(address: number): number {
    const page = this.page(address, false);
    if (page !== undefined) return page[wordInPage(address)]!;
    this.faulted = true;
    return 0;
  }

  store(address: number, value: number): void {
    const page = this.page(address, true);
    if (page !== undefined) page[wordInPage(address)] = value;
    else this.faulted = true;
  }

  /** Copies bytes from the guest. False if some are not mapped. */
  copyIn(address: number, length: number, target: Uint8Array, at: number): boolean {
    const whole = this.#view(address, length, false);
    if (whole !== undefined) {
      copyBytes(whole, 0, length, target, at);
      return true;
    }
    for (let done = 0; done < length; ) {
      const size = Math.min(PAGE - ((address + done) % PAGE), length - done);
      const piece = this.#view(address + done, size, false);
      if (piece === undefined) return false;
      copyBytes(piece, 0, size, target, at + done);
      done += size;
    }
    return true;
  }

  /** Copies bytes to the guest. False if some are not mapped, or not to be written. */
  copyOut(source: Uint8Array, from: number, length: number, address: number): boolean {
    const whole = this.#view(address, length, true);
    if (whole !== undefined) {
      copyBytes(source, from, length, whole, 0);
      return true;
    }
    for (let done = 0; done < length; ) {
      const size = Math.min(PAGE - ((address + done) % PAGE), length - done);
      const piece = this.#view(address + done, size, true);
      if (piece === undefined) return false;
      copyBytes(source, from + done, size, piece, 0);
      done += size;
    }
    return true;
  }

  #look(address: number, write: boolean): Int32Array | undefined {
    const view = this.#view(address, PAGE, write);
    if (view === undefined || view.byteOffset % 4 !== 0) return undefined;
    return new Int32Array(view.buffer, view.byteOffset, WORDS);
  }

  #view(address: number, length: number, write: boolean): Uint8Array | undefined {
    if (address > Number.MAX_SAFE_INTEGER - length) return undefined;
    return this.#memory.view(address, length, write);
  }
}

export function wordInPage(address: number): number {
  return (address & (PAGE - 1)) >> 2;
}
