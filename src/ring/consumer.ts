import { ProtocolError } from "../wire/protocol-error.ts";
import { LINE, NO_NOTIFY, RING_HEADER_SIZE, RingHeader, type RingPlace } from "./layout.ts";
import { HeaderWord } from "./message-words.ts";
import { BODY, MESSAGE_MAGIC } from "./messages.ts";
import type { RingFigures } from "./ring-figures.ts";
import type { RingMemory } from "./ring-memory.ts";

// What is imported is looked up at each use; a constant of its own module is part of the compiled code.
const { magic: MAGIC_AT, message_length: MESSAGE_LENGTH } = HeaderWord;
const MAGIC = MESSAGE_MAGIC;
const HEADER_BYTES = BODY;
const LINE_BYTES = LINE;
const LINE_WORDS = LINE >> 2;

/**
 * The reading end of a ring: the only one. A message is copied out before anything of it is believed, and what the
 * producer does to it afterwards is not seen.
 */
export class Consumer {
  /** The message that was taken; what is behind `length` is of others. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  length = 0;
  /** The same, by words. */
  readonly words: Int32Array;
  readonly #memory: RingMemory;
  readonly #ring: Int32Array;
  readonly #place: RingPlace;
  readonly #base: number;
  readonly #producedAt: number;
  readonly #mask: number;
  readonly #messageMax: number;
  // Indices are kept as numbers with a sign: those without become fractions from 2^31 on.
  #index = 0;
  #released = 0;
  /** The producer's index as it was read last. */
  #produced = 0;
  /** Where the data have the message that was taken last. */
  #start = 0;
  /** Most that was found waiting. */
  #peak = 0;

  constructor(memory: RingMemory, place: RingPlace, messageMax: number) {
    this.#memory = memory;
    this.#ring = memory.words;
    this.#place = place;
    this.#base = (place.offset + RING_HEADER_SIZE) >> 2;
    this.#producedAt = place.offset + RingHeader.producer_index;
    this.#mask = (place.dataSize >> 2) - 1;
    this.#messageMax = messageMax;
    this.words = new Int32Array(messageMax >> 2);
    this.bytes = new Uint8Array(this.words.buffer);
    this.view = new DataView(this.words.buffer);
  }

  /** Before a session, while the other side does not look. */
  clear(): void {
    this.#memory.store(this.#place.offset + RingHeader.consumer_index, 0);
    this.wantNotice(true);
  }

  get isEmpty(): boolean {
    return (this.#memory.load(this.#producedAt) | 0) === this.#index;
  }

  /** All that was there at the last look was taken. */
  get isDrained(): boolean {
    return this.#index === this.#produced;
  }

  /** A look from outside, whatever the producer has written there. */
  get use(): RingFigures["incoming"] {
    const produced = this.#memory.load(this.#place.offset + RingHeader.producer_index);
    const { dataSize: size } = this.#place;
    return { size, used: Math.min((produced - this.#released) >>> 0, size), peak: this.#peak };
  }

  /** Takes the next message; false if there is none. */
  next(): boolean | ProtocolError {
    const taken = this.first();
    if (taken === true) this.rest();
    return taken;
  }

  /** Takes the first line of the next message. What follows it is taken by `rest`, before anything else, or not at all. */
  first(): boolean | ProtocolError {
    if (this.#index === this.#produced) {
      const produced = this.#memory.load(this.#producedAt);
      const used = (produced - this.#index) >>> 0;
      if (used === 0) return false;
      if (used > this.#place.dataSize - LINE || used % LINE !== 0) {
        return new ProtocolError("BAD_FIELD", `${used} bytes in a ring of ${this.#place.dataSize}`);
      }
      this.#produced = produced | 0;
      if (used > this.#peak) this.#peak = used;
    }
    const ring = this.#ring;
    const mask = this.#mask;
    const start = (this.#index >>> 2) & mask;
    // Read once: the producer may change it any time. A header never goes round the end.
    const length = ring[this.#base + start + MESSAGE_LENGTH]! >>> 0;
    if (length < HEADER_BYTES || length > this.#messageMax) {
      return new ProtocolError(
        "BAD_LENGTH",
        `a message of ${length} bytes; ${this.#messageMax} are the most`,
      );
    }
    const aligned = (length + LINE_BYTES - 1) & -LINE_BYTES;
    const there = (this.#produced - this.#index) >>> 0;
    if (aligned > there) return new ProtocolError("TRUNCATED", `${there} bytes of a message of ${length}`);
    const message = this.words;
    const from = this.#base + start;
    // A line never goes round the end. Eight words at a time: a loop costs more than they do.
    for (let i = 0; i < LINE_WORDS; i += 8) {
      message[i] = ring[from + i]!;
      message[i + 1] = ring[from + i + 1]!;
      message[i + 2] = ring[from + i + 2]!;
      message[i + 3] = ring[from + i + 3]!;
      message[i + 4] = ring[from + i + 4]!;
      message[i + 5] = ring[from + i + 5]!;
      message[i + 6] = ring[from + i + 6]!;
      message[i + 7] = ring[from + i + 7]!;
    }
    this.#start = start;
    this.length = length;
    this.#index = (this.#index + aligned) | 0;
    if (message[MAGIC_AT] === MAGIC) return true;
    return new ProtocolError("BAD_FIELD", `a message begins with ${hex(message[MAGIC_AT]! >>> 0)}`);
  }

  /** Takes what follows the first line. */
  rest(): void {
    const ring = this.#ring;
    const message = this.words;
    const count = (this.length + 3) >> 2;
    const whole = Math.min(count, this.#mask + 1 - this.#start);
    const from = this.#base + this.#start;
    let i = LINE_WORDS;
    for (; i + 7 < whole; i += 8) {
      message[i] = ring[from + i]!;
      message[i + 1] = ring[from + i + 1]!;
      message[i + 2] = ring[from + i + 2]!;
      message[i + 3] = ring[from + i + 3]!;
      message[i + 4] = ring[from + i + 4]!;
      message[i + 5] = ring[from + i + 5]!;
      message[i + 6] = ring[from + i + 6]!;
      message[i + 7] = ring[from + i + 7]!;
    }
    for (; i < whole; i++) message[i] = ring[from + i]!;
    for (; i < count; i++) message[i] = ring[this.#base + i - whole]!;
  }

  /** Gives the producer the room of all that was taken. True: it waits for that. */
  release(): boolean {
    if (this.#index === this.#released) return false;
    this.#released = this.#index;
    this.#memory.store(this.#place.offset + RingHeader.consumer_index, this.#index);
    const flags = this.#memory.load(this.#place.offset + RingHeader.producer_flags);
    return (flags & NO_NOTIFY) === 0;
  }

  /** Whether the producer is to wake us up: while we do not look by ourselves. */
  wantNotice(wanted: boolean): void {
    this.#memory.store(this.#place.offset + RingHeader.consumer_flags, wanted ? 0 : NO_NOTIFY);
  }
}

function hex(word: number): string {
  return `0x${word.toString(16).padStart(8, "0")}`;
}
