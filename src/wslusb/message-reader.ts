import { ProtocolError } from "../wire/protocol-error.ts";
import type { FrameTarget } from "./frame-reader.ts";
import { FrameFlag } from "./messages.ts";

/** A message that is being read. */
export interface IncomingMessage {
  /** Bytes wanted next in one piece; see `FrameTarget.wanted`. */
  readonly wanted: number;
  /** A frame of it with `size` bytes of payload; behind the last one nothing `follows`. */
  frame(size: number, follows: boolean): ProtocolError | undefined;
  fixed(bytes: Uint8Array, at: number): ProtocolError | undefined;
  data(bytes: Uint8Array, at: number, length: number): void;
  /** The frame has been read. */
  frameEnd(): void;
  /** All of it has been read. */
  done(): ProtocolError | undefined;
  /** The sender has given it up. */
  abandoned(): void;
}

/** Tells what to do with a message whose first frame comes. */
export type Begin = (type: number, sequence: number) => IncomingMessage | ProtocolError;

/** A sender has few messages half sent at a time: one for each device and priority, and one that belongs to none. */
const OPEN_MAX = 1024;

/** Puts frames together to messages; those of different messages may come mixed. */
export class MessageReader implements FrameTarget {
  readonly #begin: Begin;
  readonly #isOver: () => boolean;
  /** Of which some frames have come, and not the last. */
  readonly #open = new Map<number, IncomingMessage>();
  #current: IncomingMessage | undefined;
  #type = 0;
  #sequence = 0;
  #follows = false;

  constructor(begin: Begin, isOver: () => boolean) {
    this.#begin = begin;
    this.#isOver = isOver;
  }

  get over(): boolean {
    return this.#isOver();
  }

  get wanted(): number {
    return this.#current?.wanted ?? 0;
  }

  /** Some frames of this message have come, and not the last. */
  isOpen(type: number, sequence: number): boolean {
    return this.#open.has(keyOf(type, sequence));
  }

  frame(type: number, size: number, sequence: number, flags: number): ProtocolError | undefined {
    // A number that large is an object; most messages are one frame.
    const open = this.#open.size === 0 ? undefined : this.#open.get(keyOf(type, sequence));
    this.#type = type;
    this.#sequence = sequence;
    this.#current = undefined;
    if (flags === FrameFlag.ABANDONED) {
      if (open === undefined) {
        return new ProtocolError("BAD_FIELD", `a message of type ${type} is abandoned that was not begun`);
      }
      this.#open.delete(keyOf(type, sequence));
      open.abandoned();
      return undefined;
    }
    const message = open ?? this.#begin(type, sequence);
    if (message instanceof ProtocolError) return message;
    this.#follows = flags === FrameFlag.MORE;
    if (open === undefined && this.#follows) {
      if (this.#open.size >= OPEN_MAX) {
        return new ProtocolError("FLOOD", `${OPEN_MAX} messages are begun and not ended`);
      }
      this.#open.set(keyOf(type, sequence), message);
    }
    this.#current = message;
    return message.frame(size, this.#follows);
  }

  fixed(bytes: Uint8Array, at: number): ProtocolError | undefined {
    return this.#current!.fixed(bytes, at);
  }

  data(bytes: Uint8Array, at: number, length: number): void {
    this.#current!.data(bytes, at, length);
  }

  frameEnd(): ProtocolError | undefined {
    const message = this.#current;
    if (message === undefined) return undefined;
    this.#current = undefined;
    message.frameEnd();
    if (this.#follows) return undefined;
    if (this.#open.size > 0) this.#open.delete(keyOf(this.#type, this.#sequence));
    return message.done();
  }
}

/** Whole numbers are exact far beyond it. */
function keyOf(type: number, sequence: number): number {
  return (type & 0xff) * 2 ** 32 + sequence;
}

/** A message that is used when it is whole. */
export class WholeMessage implements IncomingMessage {
  readonly wanted = 0;
  readonly #name: string;
  readonly #least: number;
  readonly #most: number;
  readonly #use: (payload: Uint8Array) => ProtocolError | undefined;
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  /** `use` gets `least` to `most` bytes, which are its own. */
  constructor(
    name: string,
    least: number,
    most: number,
    use: (payload: Uint8Array) => ProtocolError | undefined,
  ) {
    this.#name = name;
    this.#least = least;
    this.#most = most;
    this.#use = use;
  }

  frame(size: number, follows: boolean): ProtocolError | undefined {
    this.#length += size;
    if (this.#length > this.#most) {
      return new ProtocolError(
        "BAD_LENGTH",
        `${this.#name} has ${this.#length} bytes or more, at most ${this.#most}`,
      );
    }
    if (!follows && this.#length < this.#least) {
      return new ProtocolError("BAD_LENGTH", `${this.#name} has ${this.#length} of its ${this.#least} bytes`);
    }
    return undefined;
  }

  fixed(): undefined {}

  data(bytes: Uint8Array, at: number, length: number): void {
    this.#parts.push(bytes.slice(at, at + length));
  }

  frameEnd(): void {}

  done(): ProtocolError | undefined {
    const payload = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      payload.set(part, at);
      at += part.length;
    }
    return this.#use(payload);
  }

  abandoned(): void {
    this.#parts.length = 0;
  }
}
