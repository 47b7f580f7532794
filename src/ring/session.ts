import type { Loop } from "../usb/loop.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { Channel } from "./channel.ts";
import { type Incoming, NEVER, SHUTDOWN_ACK_SIZE } from "./incoming.ts";
import { type Layout, RING_VERSION } from "./layout.ts";
import type { RingLimits } from "./limits.ts";
import { HeaderWord } from "./message-words.ts";
import { BODY, MessageType, Shutdown, URB_SIZE } from "./messages.ts";
import type { RingMemory } from "./ring-memory.ts";
import { RingStats } from "./ring-stats.ts";

// What is imported is looked up at each use; a constant of its own module is part of the compiled code.
const { type: TYPE_AT, transaction_id: TRANSACTION_AT, device_id: DEVICE_AT } = HeaderWord;
const VERSION = RING_VERSION;
const HEADER_BYTES = BODY;
const UNKNOWN = NEVER;
const { URB_COMPLETE } = MessageType;
const URB_BYTES = URB_SIZE;

/** What a session is made in. */
export interface SessionPlace {
  readonly memory: RingMemory;
  readonly layout: Layout;
  readonly limits: RingLimits;
  readonly loop: Loop;
  readonly guestEpoch: number;
  readonly hostEpoch: number;
  wake(): void;
  /** Something was sent, and not by a `poll`. */
  sent(): void;
  /** Both sides have greeted each other. */
  negotiated(): void;
  /** No stream is open any more. */
  idle(): void;
  /** It is over; nothing if the other side has left. */
  over(error: ProtocolError | undefined): void;
}

/** One side of a session, from its first message on: takes messages in turns, and sends what has come of them in one go. */
export abstract class RingSession<P extends SessionPlace> {
  readonly channel: Channel;
  protected readonly place: P;
  protected readonly stats = new RingStats();
  /** One number: the time of what goes on. A property would be an object at each look. */
  protected readonly clock = new Float64Array(1);
  protected isPolling = false;
  protected isOver = false;
  readonly #incoming: Incoming;
  #isNegotiated = false;

  constructor(place: P, side: "host" | "guest", incoming: Incoming) {
    this.place = place;
    this.#incoming = incoming;
    this.channel = new Channel(place.memory, place.layout, side, this.stats, () => place.wake());
    this.clock[0] = place.loop.now();
  }

  /** Carries out a message that is whole and may come now. */
  protected abstract take(type: number, transaction: number, id: number): ProtocolError | undefined;

  /** A message came. */
  protected began(): void {}

  /** All that came in this turn was taken. */
  protected taken(): void {}

  /** The other side sees what has come of it. */
  protected settle(): void {}

  get isNegotiated(): boolean {
    return this.#isNegotiated;
  }

  /** False while nothing is read, because too much waits for room. */
  protected get isReading(): boolean {
    return true;
  }

  /** As `Channel.sleep`. */
  sleep(): boolean {
    return this.channel.sleep(this.isReading);
  }

  /** Takes what has come, as far as one turn goes. True: there was something. */
  poll(): boolean | ProtocolError {
    const { channel, place } = this;
    const { messagesPerPoll } = place.limits;
    let count = 0;
    let error: ProtocolError | undefined;
    this.isPolling = true;
    while (count < messagesPerPoll && this.isReading && !this.isOver) {
      const taken = channel.incoming.first();
      if (taken === false) break;
      if (count++ === 0) this.began();
      error = taken === true ? this.#check() : taken;
      // What has come meanwhile is another turn's: an answer waits for nothing that it does not need.
      if (error !== undefined || channel.incoming.isDrained) break;
    }
    if (count > 0 && !this.isOver) this.taken();
    this.isPolling = false;
    if (this.isOver) return true;
    const { moved } = channel;
    error = channel.flush() ?? error;
    this.settle();
    return error ?? (count > 0 || channel.moved !== moved);
  }

  /** Tells the other side that this one goes away. */
  protected goodbye(type: number, transaction: number, reason: number): void {
    const body = Shutdown.encode({ reason, reserved: new Uint8Array(12) });
    this.channel.say(type, transaction, 0, body);
    this.channel.flush();
  }

  /** The other side goes away. */
  protected leave(transaction: number): void {
    this.channel.say(MessageType.SHUTDOWN_ACK, transaction, 0, new Uint8Array(SHUTDOWN_ACK_SIZE));
    this.channel.flush();
    this.place.over(undefined);
  }

  protected greeted(): void {
    this.#isNegotiated = true;
    this.place.negotiated();
  }

  #check(): ProtocolError | undefined {
    const { words, length } = this.channel.incoming;
    const type = words[TYPE_AT]! & 0xffff;
    const version = words[TYPE_AT]! >>> 16;
    const { who, greeting, sizes, early } = this.#incoming;
    if (version !== VERSION) {
      return new ProtocolError("BAD_VERSION", `a message of version 0x${version.toString(16)}`);
    }
    if (!this.#isNegotiated && !early.has(type)) {
      return new ProtocolError("BAD_COMMAND", `a message of type ${type} came before ${greeting}`);
    }
    const needed = sizes[type] ?? UNKNOWN;
    if (needed === UNKNOWN) {
      return new ProtocolError("BAD_COMMAND", `${who} sends no message of type ${type}`);
    }
    if (length < HEADER_BYTES + needed) {
      return new ProtocolError("TRUNCATED", `${length} bytes of a message of type ${type}`);
    }
    // What stands behind the first line of a URB_COMPLETE without data is reserved: it stays with the other side.
    if (type !== URB_COMPLETE || length !== URB_BYTES) this.channel.incoming.rest();
    return this.take(type, words[TRANSACTION_AT]! >>> 0, words[DEVICE_AT]! >>> 0);
  }
}
