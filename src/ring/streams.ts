import type { Loop } from "../usb/loop.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { Channel } from "./channel.ts";
import { BODY, MessageType, StreamFlag, StreamPart } from "./messages.ts";

const { OPEN, END, CUT } = StreamFlag;

/** Streams of a session at a time: one for each device, and as many for questions. */
const STREAMS_MAX = 64;
/** What may come before somebody reads. */
const UNREAD_MAX = 64 << 10;

const HEAD = BODY + StreamPart.size;

/** What a stream asks of the session that it passes through. */
interface StreamCarrier {
  readonly loop: Loop;
  /** Most bytes of one part. */
  readonly partBytes: number;
  send(stream: RingStream, flags: number, bytes?: Uint8Array): void;
  /** Bytes for it have no meaning from here on. */
  forget(stream: RingStream): void;
}

/**
 * Bytes in order, both ways, in the messages of a ring: for what is asked before a device is had. It has the promises of a
 * link. Nothing is unsent for long: the ring itself watches whether it is read.
 */
export class RingStream {
  readonly peer: string;
  readonly unsent = 0;
  readonly id: number;
  readonly #carrier: StreamCarrier;
  readonly #unread: Uint8Array[] = [];
  #unreadBytes = 0;
  #receive: ((bytes: Uint8Array) => void) | undefined;
  #ended: (() => void) | undefined;
  #isEnding = false;
  #peerEnded = false;
  #isOver = false;

  constructor(id: number, peer: string, carrier: StreamCarrier) {
    this.id = id;
    this.peer = peer;
    this.#carrier = carrier;
  }

  /** As of a link: called once, and nothing is lost before. */
  start(receive: (bytes: Uint8Array) => void, ended: () => void): void {
    this.#ended = ended;
    if (this.#isOver) {
      this.#carrier.loop.soon(ended);
      return;
    }
    this.#receive = receive;
    for (const bytes of this.#unread.splice(0)) receive(bytes);
    if (this.#peerEnded) this.end();
  }

  /** They have left when this returns; `written` runs later. */
  write(chunks: readonly Uint8Array[], written: () => void): void {
    this.#carrier.loop.soon(written);
    if (this.#isOver || this.#isEnding) return;
    const { partBytes } = this.#carrier;
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length; at += partBytes) {
        this.#carrier.send(this, 0, chunk.subarray(at, at + partBytes));
      }
    }
  }

  end(): void {
    if (this.#isOver || this.#isEnding) return;
    this.#isEnding = true;
    this.#carrier.send(this, END);
    if (this.#peerEnded) this.close();
  }

  destroy(): void {
    if (this.#isOver) return;
    this.#carrier.send(this, CUT);
    this.close();
  }

  /** A part for it has come. */
  take(flags: number, bytes: Uint8Array): void {
    if ((flags & CUT) !== 0) {
      this.close();
      return;
    }
    if (bytes.length > 0 && !this.#peerEnded) this.#hear(bytes);
    if ((flags & END) === 0 || this.#isOver) return;
    this.#peerEnded = true;
    // No half-open links: see `Link`.
    if (this.#isEnding) this.close();
    else if (this.#receive !== undefined) this.end();
  }

  /** It is over, or its session is. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#carrier.forget(this);
    const ended = this.#ended;
    if (ended !== undefined) this.#carrier.loop.soon(ended);
  }

  #hear(bytes: Uint8Array): void {
    if (this.#receive !== undefined) {
      this.#receive(bytes);
      return;
    }
    this.#unreadBytes += bytes.length;
    if (this.#unreadBytes > UNREAD_MAX) this.destroy();
    else this.#unread.push(bytes.slice());
  }
}

/** The streams of one session. The guest opens them; the host has them `accepted`, or knows none. */
export class Streams implements StreamCarrier {
  readonly loop: Loop;
  readonly partBytes: number;
  readonly #channel: Channel;
  readonly #flushSoon: () => void;
  readonly #idle: () => void;
  readonly #accepted: ((id: number, carrier: Streams) => RingStream | undefined) | undefined;
  readonly #open = new Map<number, RingStream>();
  #lastId = 0;

  /** `idle` runs when the last one is over. `accepted` makes the stream that a guest has opened; it may be refused. */
  constructor(
    channel: Channel,
    loop: Loop,
    flushSoon: () => void,
    idle: () => void,
    accepted?: (id: number, carrier: Streams) => RingStream | undefined,
  ) {
    this.loop = loop;
    this.partBytes = channel.bytes.length - HEAD;
    this.#channel = channel;
    this.#flushSoon = flushSoon;
    this.#idle = idle;
    this.#accepted = accepted;
  }

  get areOpen(): boolean {
    return this.#open.size > 0;
  }

  /** Opens one to the host; `peer` is what it is called. Nothing if there are too many. */
  open(peer: string): RingStream | undefined {
    if (this.#open.size >= STREAMS_MAX) return undefined;
    this.#lastId = (this.#lastId + 1) >>> 0 || 1;
    const stream = new RingStream(this.#lastId, peer, this);
    this.#open.set(stream.id, stream);
    this.send(stream, OPEN);
    return stream;
  }

  /** A part has come; its head is there. */
  take(): ProtocolError | undefined {
    const { view, bytes, length } = this.#channel.incoming;
    const id = StreamPart.read.stream(view, BODY);
    const flags = StreamPart.read.flags(view, BODY);
    // Of one that was cut here more may be on its way.
    const stream = (flags & OPEN) === 0 ? this.#open.get(id) : this.#accept(id);
    if (stream instanceof ProtocolError) return stream;
    stream?.take(flags, bytes.subarray(HEAD, length));
    return this.#channel.isCrowded
      ? new ProtocolError("FLOOD", "more is asked for than is read of the answers")
      : undefined;
  }

  send({ id }: Pick<RingStream, "id">, flags: number, bytes: Uint8Array = NOTHING): void {
    this.#channel.begin(MessageType.STREAM, 0, 0, StreamPart.size);
    StreamPart.write.stream(this.#channel.view, BODY, id);
    StreamPart.write.flags(this.#channel.view, BODY, flags);
    this.#channel.bytes.set(bytes, HEAD);
    this.#channel.send(HEAD + bytes.length);
    this.#flushSoon();
  }

  forget({ id }: RingStream): void {
    if (this.#open.delete(id) && this.#open.size === 0) this.#idle();
  }

  /** The session is over: all of them are. */
  end(): void {
    for (const stream of Array.from(this.#open.values())) stream.close();
  }

  #accept(id: number): RingStream | ProtocolError | undefined {
    if (this.#accepted === undefined || id === 0 || this.#open.has(id)) {
      return new ProtocolError("BAD_FIELD", `stream ${id} is opened, which is not free`);
    }
    const stream = this.#open.size < STREAMS_MAX ? this.#accepted(id, this) : undefined;
    if (stream === undefined) this.send({ id }, CUT);
    else this.#open.set(id, stream);
    return stream;
  }
}

const NOTHING = new Uint8Array(0);
