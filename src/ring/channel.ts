import { Fifo } from "../usb/fifo.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { Consumer } from "./consumer.ts";
import { Control, type Layout, LINE, RING_VERSION, Side } from "./layout.ts";
import { HeaderWord } from "./message-words.ts";
import { BODY, MESSAGE_MAGIC, MessageHeader, URB_SIZE } from "./messages.ts";
import { Producer } from "./producer.ts";
import type { RingFigures } from "./ring-figures.ts";
import type { RingMemory } from "./ring-memory.ts";
import type { RingStats } from "./ring-stats.ts";

const header = MessageHeader.write;
// What is imported is looked up at each use; a constant of its own module is part of the compiled code.
const {
  magic: MAGIC_AT,
  type: TYPE_AT,
  message_length: LENGTH_AT,
  transaction_id: TRANSACTION_AT,
  device_id: DEVICE_AT,
  flags: FLAGS_AT,
  timestamp: TIMESTAMP_AT,
} = HeaderWord;
const MAGIC = MESSAGE_MAGIC;
const VERSION = RING_VERSION;
const LINE_BYTES = LINE;
const URB_BYTES = URB_SIZE;

/** Most bytes that may wait for room in the ring. */
const WAITING_BYTES_MAX = 16 << 20;

/**
 * One side of both rings for one session: messages out, messages in, and the bell of the other side. Who writes a
 * message does not care whether there is room; what waits for it is bounded by who writes, and by `WAITING_BYTES_MAX`.
 */
export class Channel {
  readonly incoming: Consumer;
  /** The message that is being written, by `begin` and the caller. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** What `open` has opened: the memory, or a message that is put there. By words and by bytes. */
  words: Int32Array;
  octets: Uint8Array;
  readonly #message: Int32Array;
  readonly #pairs: Float64Array;
  #isDirect = false;
  readonly #outgoing: Producer;
  readonly #memory: RingMemory;
  readonly #bellAt: number;
  readonly #wake: () => void;
  readonly #stats: RingStats;
  /** Messages that wait for room, oldest first, and their lengths. */
  readonly #waiting = new Fifo<Int32Array>();
  readonly #lengths = new Fifo<number>();
  #waitingBytes = 0;
  #moved = 0;
  /** Messages since the last publication. */
  #batch = 0;
  #noticeWanted = false;

  constructor(
    memory: RingMemory,
    layout: Layout,
    side: "host" | "guest",
    stats: RingStats,
    wake: () => void,
  ) {
    const { g2h, h2g, messageMax } = layout;
    this.#memory = memory;
    this.#bellAt = Control[side] + Side.bell;
    this.#wake = wake;
    this.#stats = stats;
    this.#outgoing = new Producer(memory, side === "host" ? h2g : g2h);
    this.incoming = new Consumer(memory, side === "host" ? g2h : h2g, messageMax);
    this.#message = new Int32Array(messageMax >> 2);
    this.#pairs = new Float64Array(this.#message.buffer, 0, messageMax >>> 3);
    this.bytes = new Uint8Array(this.#message.buffer);
    this.view = new DataView(this.#message.buffer);
    this.words = this.#message;
    this.octets = this.bytes;
  }

  /** Before a session, while the other side does not look. */
  clear(): void {
    this.#outgoing.clear();
    this.incoming.clear();
  }

  /** Messages that wait for room. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** A message came, or one waits that may go out. */
  get hasNews(): boolean {
    return this.#waiting.length > 0 || !this.incoming.isEmpty;
  }

  /** Messages that had to wait and went out: while this stands still the other side makes no room. */
  get moved(): number {
    return this.#moved;
  }

  /** Share of the outgoing ring that is in use, in percent. */
  get percent(): number {
    return this.#outgoing.percent;
  }

  /** Of both rings. */
  get use(): Pick<RingFigures, "incoming" | "outgoing"> {
    return { incoming: this.incoming.use, outgoing: this.#outgoing.use };
  }

  /** Nothing more can wait. */
  get isCrowded(): boolean {
    return this.#waitingBytes > WAITING_BYTES_MAX;
  }

  /** Begins a message with a body of `size` bytes, all 0; its length can be another one in `send`. */
  begin(
    type: number,
    transaction: number,
    device: number,
    size: number,
    version: number = RING_VERSION,
  ): void {
    const { view } = this;
    header.magic(view, 0, MESSAGE_MAGIC);
    header.message_type(view, 0, type);
    header.protocol_version(view, 0, version);
    header.transaction_id(view, 0, transaction);
    header.device_id(view, 0, device);
    header.flags(view, 0, 0);
    header.timestamp(view, 0, 0);
    header.timestamp_high(view, 0, 0);
    const end = (BODY + size + 3) >> 2;
    for (let i = BODY >> 2; i < end; i++) this.#message[i] = 0;
  }

  /** Ends it: goes out with the next `flush`. `length` counts from the header. */
  send(length: number): void {
    header.message_length(this.view, 0, length);
    // What is left of an earlier message in the last word is nobody's business.
    for (let i = length; (i & 3) !== 0; i++) this.bytes[i] = 0;
    if (this.#waiting.length === 0 && this.#outgoing.hasRoom(length)) {
      this.#outgoing.put(this.#message, length);
      this.#batch++;
      return;
    }
    this.#stats.ringFull++;
    this.#waiting.push(this.#message.slice(0, (length + 3) >> 2));
    this.#lengths.push(length);
    this.#waitingBytes += length;
  }

  /**
   * Begins a URB_SUBMIT or URB_COMPLETE of `length` bytes. All words of its body up to `rest` are to be written, in `words` behind the
   * one that this gives; data are written to `octets`. From `rest` on, an even number, all are 0. It stands in the ring at once if it
   * can; `close` follows.
   */
  open(type: number, transaction: number, device: number, length: number, rest: number): number {
    const at = this.#waiting.length === 0 ? this.#outgoing.place(length) : -1;
    this.#isDirect = at >= 0;
    const first = at >= 0 ? at : 0;
    const words = at >= 0 ? this.#memory.words : this.#message;
    this.words = words;
    this.octets = at >= 0 ? this.#memory.bytes : this.bytes;
    words[first + MAGIC_AT] = MAGIC;
    words[first + TYPE_AT] = type | (VERSION << 16);
    words[first + LENGTH_AT] = length;
    words[first + TRANSACTION_AT] = transaction;
    words[first + DEVICE_AT] = device;
    words[first + FLAGS_AT] = 0;
    words[first + TIMESTAMP_AT] = 0;
    words[first + TIMESTAMP_AT + 1] = 0;
    const pairs = at >= 0 ? this.#memory.pairs : this.#pairs;
    const end = (first >> 1) + (((length + LINE_BYTES - 1) & -LINE_BYTES) >> 3);
    for (let i = (first + rest) >> 1; i < end; i++) pairs[i] = 0;
    return first;
  }

  /** Ends what was opened. */
  close(length: number): void {
    if (this.#isDirect) {
      this.#outgoing.placed(length);
      this.#batch++;
    } else {
      if (length > URB_BYTES) this.#stats.copies++;
      this.send(length);
    }
  }

  /** A message whose body is encoded already. */
  say(type: number, transaction: number, device: number, body: Uint8Array, version?: number): void {
    this.begin(type, transaction, device, 0, version);
    this.bytes.set(body, BODY);
    this.send(BODY + body.length);
  }

  /** Shows the other side what was sent and what was taken, in one go. */
  flush(): ProtocolError | undefined {
    let isWanted = false;
    this.#moveWaiting();
    if (this.#waiting.length > 0 !== this.#noticeWanted) {
      this.#noticeWanted = !this.#noticeWanted;
      this.#outgoing.wantNotice(this.#noticeWanted);
      // The room may have come before the flag was seen.
      this.#moveWaiting();
    }
    if (this.#outgoing.isDue) {
      if (this.#batch > 1) this.#stats.batches++;
      this.#batch = 0;
      isWanted = this.#outgoing.publish();
    }
    // Behind what the other side may be waiting for.
    isWanted = this.incoming.release() || isWanted;
    if (isWanted) this.ring();
    return this.#outgoing.isBroken
      ? new ProtocolError("BAD_FIELD", "the index of a consumer is not one of its ring")
      : undefined;
  }

  /** Wakes the other side up. */
  ring(): void {
    this.#memory.store(this.#bellAt, this.#memory.load(this.#bellAt) + 1);
    this.#wake();
  }

  /**
   * Says that this side goes to sleep. False: there is something to do, and it stays awake. `isReading` is false while it
   * takes nothing, because too much waits for room.
   */
  sleep(isReading = true): boolean {
    this.incoming.wantNotice(true);
    if ((!isReading || this.incoming.isEmpty) && !this.#canMove()) return true;
    this.awake();
    return false;
  }

  awake(): void {
    this.incoming.wantNotice(false);
  }

  #canMove(): boolean {
    const length = this.#lengths.first;
    return length !== undefined && this.#outgoing.hasRoom(length);
  }

  #moveWaiting(): void {
    while (this.#canMove()) {
      const length = this.#lengths.shift()!;
      this.#outgoing.put(this.#waiting.shift()!, length);
      this.#waitingBytes -= length;
      this.#moved++;
      this.#batch++;
    }
  }
}
