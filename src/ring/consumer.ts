import { ProtocolError } from "../wire/protocol-error.ts";
import { LINE, NO_NOTIFY, RING_HEADER_SIZE, RingHeader, type RingPlace } from "./layout.ts";
import { BODY, MESSAGE_MAGIC, MessageHeader } from "./messages.ts";
import type { RingFigures } from "./ring-figures.ts";
import type { RingMemory } from "./ring-memory.ts";

/**
 * The reading end of a ring: the only one. A message is copied out before anything of it is believed, and what the
 * producer does to it afterwards is not seen.
 */
export class Consumer {
  /** The message that `next` has taken; what is behind `length` is of earlier ones. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  length = 0;
  readonly #message: Int32Array;
  readonly #memory: RingMemory;
  readonly #words: Int32Array;
  readonly #place: RingPlace;
  readonly #base: number;
  readonly #mask: number;
  readonly #messageMax: number;
  #index = 0;
  #released = 0;
  /** The producer's index as it was read last. */
  #produced = 0;
  /** Most that was found waiting. */
  #peak = 0;

  constructor(memory: RingMemory, place: RingPlace, messageMax: number) {
    this.#memory = memory;
    this.#words = memory.words;
    this.#place = place;
    this.#base = (place.offset + RING_HEADER_SIZE) >> 2;
    this.#mask = (place.dataSize >> 2) - 1;
    this.#messageMax = messageMax;
    this.#message = new Int32Array(messageMax >> 2);
    this.bytes = new Uint8Array(this.#message.buffer);
    this.view = new DataView(this.#message.buffer);
  }

  /** Before a session, while the other side does not look. */
  clear(): void {
    this.#memory.store(this.#place.offset + RingHeader.consumer_index, 0);
    this.wantNotice(true);
  }

  get isEmpty(): boolean {
    return this.#memory.load(this.#place.offset + RingHeader.producer_index) === this.#index;
  }

  /** A look from outside, whatever the producer has written there. */
  get use(): RingFigures["incoming"] {
    const produced = this.#memory.load(this.#place.offset + RingHeader.producer_index);
    const { dataSize: size } = this.#place;
    return { size, used: Math.min((produced - this.#released) >>> 0, size), peak: this.#peak };
  }

  /** Takes the next message; false if there is none. */
  next(): boolean | ProtocolError {
    if (this.#index === this.#produced) {
      const produced = this.#memory.load(this.#place.offset + RingHeader.producer_index);
      const used = (produced - this.#index) >>> 0;
      if (used === 0) return false;
      if (used > this.#place.dataSize - LINE || used % LINE !== 0) {
        return new ProtocolError("BAD_FIELD", `${used} bytes in a ring of ${this.#place.dataSize}`);
      }
      this.#produced = produced;
      if (used > this.#peak) this.#peak = used;
    }
    const start = this.#index >>> 2;
    // Read once: the producer may change it any time.
    const length = this.#words[this.#base + ((start + LENGTH_WORD) & this.#mask)]! >>> 0;
    if (length < BODY || length > this.#messageMax) {
      return new ProtocolError(
        "BAD_LENGTH",
        `a message of ${length} bytes; ${this.#messageMax} are the most`,
      );
    }
    const aligned = (length + LINE - 1) & -LINE;
    const there = (this.#produced - this.#index) >>> 0;
    if (aligned > there) return new ProtocolError("TRUNCATED", `${there} bytes of a message of ${length}`);
    const words = this.#words;
    const message = this.#message;
    const mask = this.#mask;
    const count = (length + 3) >> 2;
    for (let i = 0; i < count; i++) message[i] = words[this.#base + ((start + i) & mask)]!;
    this.length = length;
    this.#index = (this.#index + aligned) >>> 0;
    const magic = MessageHeader.read.magic(this.view, 0);
    return magic === MESSAGE_MAGIC || new ProtocolError("BAD_FIELD", `a message begins with ${hex(magic)}`);
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

/** The place of message_length. */
const LENGTH_WORD = 2;

function hex(word: number): string {
  return `0x${word.toString(16).padStart(8, "0")}`;
}
