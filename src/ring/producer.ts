import { LINE, NO_NOTIFY, RING_HEADER_SIZE, RingHeader, type RingPlace } from "./layout.ts";
import type { RingUse } from "./ring-figures.ts";
import type { RingMemory } from "./ring-memory.ts";

const NOWHERE = -1;
// What is imported is looked up at each use; a constant of its own module is part of the compiled code.
const LINE_BYTES = LINE;

/** The writing end of a ring: the only one. Its own index is private and goes out by `publish`. */
export class Producer {
  readonly #memory: RingMemory;
  readonly #words: Int32Array;
  readonly #place: RingPlace;
  readonly #base: number;
  readonly #mask: number;
  readonly #dataSize: number;
  /** Words of the data. */
  readonly #end: number;
  // Indices are kept as numbers with a sign: those without become fractions from 2^31 on.
  #index = 0;
  #published = 0;
  /** The consumer's index as it was read last. */
  #consumed = 0;
  #isBroken = false;

  constructor(memory: RingMemory, place: RingPlace) {
    this.#memory = memory;
    this.#words = memory.words;
    this.#place = place;
    this.#base = (place.offset + RING_HEADER_SIZE) >> 2;
    this.#mask = (place.dataSize >> 2) - 1;
    this.#dataSize = place.dataSize;
    this.#end = place.dataSize >> 2;
  }

  /** Before a session, while the other side does not look. */
  clear(): void {
    this.#memory.store(this.#place.offset + RingHeader.producer_index, 0);
    this.wantNotice(false);
  }

  /** The consumer's index is none. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Bytes that the consumer has not let go of, as far as is known. */
  get used(): number {
    return (this.#index - this.#consumed) >>> 0;
  }

  get percent(): number {
    return Math.round((100 * this.used) / this.#place.dataSize);
  }

  /** A look from outside, whatever the consumer has written there. */
  get use(): RingUse {
    const consumed = this.#memory.load(this.#place.offset + RingHeader.consumer_index);
    const { dataSize: size } = this.#place;
    return { size, used: Math.min((this.#index - consumed) >>> 0, size) };
  }

  /** Whether a message of `length` bytes fits. One line stays free. */
  hasRoom(length: number): boolean {
    const needed = lines(length) + LINE_BYTES;
    if (((this.#index - this.#consumed) >>> 0) + needed <= this.#dataSize) return true;
    const consumed = this.#memory.load(this.#place.offset + RingHeader.consumer_index);
    const used = (this.#index - consumed) >>> 0;
    // The consumer only goes forward, and not beyond us.
    if (used > this.used || used % LINE !== 0) {
      this.#isBroken = true;
      return false;
    }
    this.#consumed = consumed | 0;
    return used + needed <= this.#dataSize;
  }

  /** Writes a message that has room, from the beginning of `message`. What is behind it in its last word is 0. */
  put(message: Int32Array, length: number): void {
    const words = this.#words;
    const mask = this.#mask;
    const start = this.#index >>> 2;
    const whole = (length + 3) >> 2;
    const end = lines(length) >> 2;
    for (let i = 0; i < whole; i++) words[this.#base + ((start + i) & mask)] = message[i]!;
    for (let i = whole; i < end; i++) words[this.#base + ((start + i) & mask)] = 0;
    this.#index = (this.#index + lines(length)) | 0;
  }

  /**
   * The word of the memory from which on a message of `length` bytes is to be written, whole lines of it; `placed` follows. -1 if
   * it has no room, or would go round the end of the ring.
   */
  place(length: number): number {
    const at = (this.#index >>> 2) & this.#mask;
    const bytes = lines(length);
    if (at + (bytes >> 2) > this.#end) return NOWHERE;
    const used = (this.#index - this.#consumed) >>> 0;
    return used + bytes + LINE_BYTES <= this.#dataSize || this.hasRoom(length) ? this.#base + at : NOWHERE;
  }

  placed(length: number): void {
    this.#index = (this.#index + lines(length)) | 0;
  }

  /** Something was put and not published. */
  get isDue(): boolean {
    return this.#index !== this.#published;
  }

  /** Shows all that was put. True: the consumer sleeps. */
  publish(): boolean {
    this.#published = this.#index;
    this.#memory.store(this.#place.offset + RingHeader.producer_index, this.#index);
    // Sequentially consistent: either the consumer sees the index before it sleeps, or we see that it sleeps.
    const flags = this.#memory.load(this.#place.offset + RingHeader.consumer_flags);
    return (flags & NO_NOTIFY) === 0;
  }

  /** Whether the consumer is to wake us up when it has made room. */
  wantNotice(wanted: boolean): void {
    this.#memory.store(this.#place.offset + RingHeader.producer_flags, wanted ? 0 : NO_NOTIFY);
  }
}

function lines(length: number): number {
  return (length + LINE_BYTES - 1) & -LINE_BYTES;
}
