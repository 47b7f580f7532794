import type { Cancellable, Loop } from "../usb/loop.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { FrameReader } from "./frame-reader.ts";
import { CREDIT_MAX, CREDIT_MIN, MAX_HELLO, type WslusbLimits } from "./limits.ts";
import { type IncomingMessage, MessageReader, WholeMessage } from "./message-reader.ts";
import { Credit, ErrorMessage, Hello, KeepAlive, MAGIC, MessageType } from "./messages.ts";
import { Outbox } from "./outbox.ts";
import { looseMessage } from "./outgoing.ts";
import { errorCodeOf, statusOfError } from "./status.ts";

export type HelloValue = Exclude<ReturnType<typeof Hello.decode>, ProtocolError>;

/** What is done with messages of one side only. */
export interface ChannelOwner {
  /** The peer speaks this protocol; `hello` is sound. */
  greeted(hello: HelloValue): ProtocolError | undefined;
  /** The first frame of a message that is not for the channel. */
  begin(type: number, sequence: number): IncomingMessage | ProtocolError;
  /** The peer has room for more of a device. */
  granted(device: number, bytes: number): ProtocolError | undefined;
  /** The conversation is over. Called once, never after `stop`. */
  failed(error: ProtocolError): void;
}

/** A timer that is so much late was held up here: the peer cannot be blamed for what we did not hear meanwhile. */
const HELD_UP_MS = 1_000;
const QUESTION = 0;
const ANSWER = 1;

/** What both sides of a connection have in common: frames, greetings, signs of life, and how it ends. */
export class Channel {
  readonly outbox: Outbox;
  readonly #loop: Loop;
  readonly #limits: WslusbLimits;
  readonly #owner: ChannelOwner;
  readonly #messages: MessageReader;
  readonly #reader: FrameReader;
  #phase: "greeting" | "open" | "over" = "greeting";
  #heardMs = 0;
  #questions = 0;
  #timer: Cancellable | undefined;
  /** The peer has said that it ends. */
  #isToldOff = false;

  constructor(
    loop: Loop,
    limits: WslusbLimits,
    write: (chunks: readonly Uint8Array[], written: () => void) => void,
    owner: ChannelOwner,
  ) {
    this.#loop = loop;
    this.#limits = limits;
    this.#owner = owner;
    this.outbox = new Outbox(write);
    this.#messages = new MessageReader(
      (type, sequence) => this.#begin(type, sequence),
      () => this.#phase === "over",
    );
    this.#reader = new FrameReader(this.#messages, greeting);
  }

  get phase(): "greeting" | "open" | "over" {
    return this.#phase;
  }

  /** Takes bytes in. What they lead to is sent by `settle`, which gets the error. */
  read(bytes: Uint8Array): ProtocolError | undefined {
    if (this.#phase === "over") return undefined;
    this.#heardMs = this.#loop.now();
    return this.#reader.receive(bytes);
  }

  /** Sends what is due, or ends the conversation. */
  settle(error?: ProtocolError): void {
    if (this.#phase === "over") return;
    const failed = error ?? this.#notReading();
    if (failed === undefined) this.outbox.send();
    else this.fail(failed);
  }

  /** Says why, and ends. */
  fail(error: ProtocolError): void {
    if (this.#phase === "over") return;
    if (!this.#isToldOff) {
      const { code, message } = error;
      const payload = ErrorMessage.encode({ status: statusOfError(code), message: `${code}: ${message}` });
      this.outbox.sendLast(looseMessage(MessageType.Error, 0, payload));
    }
    this.stop();
    this.#owner.failed(error);
  }

  /** Nothing is read or sent from here on. */
  stop(): void {
    this.#phase = "over";
    this.outbox.stop();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** A message with memory of its own, which belongs to no device. */
  say(type: number, sequence: number, ...payload: readonly Uint8Array[]): void {
    this.outbox.add(looseMessage(type, sequence, ...payload));
  }

  #begin(type: number, sequence: number): IncomingMessage | ProtocolError {
    // Thousands of questions may come in one read.
    const notReading = this.#notReading();
    if (notReading !== undefined) return notReading;
    switch (type) {
      case MessageType.Error:
        return new WholeMessage("Error", ErrorMessage.size, ErrorMessage.size, (payload) =>
          this.#toldOff(payload),
        );
      case MessageType.Hello:
        return this.#phase === "greeting"
          ? new WholeMessage("Hello", Hello.size, MAX_HELLO, (payload) => this.#hello(payload))
          : SECOND_HELLO;
    }
    if (this.#phase === "greeting") {
      return new ProtocolError("BAD_COMMAND", `a frame of type ${type} came before Hello was whole`);
    }
    switch (type) {
      case MessageType.KeepAlive:
        return new WholeMessage("KeepAlive", KeepAlive.size, KeepAlive.size, (payload) => {
          if (KeepAlive.answer(payload, 0) === QUESTION) this.#sayAlive(sequence, ANSWER);
          return undefined;
        });
      case MessageType.Credit:
        return new WholeMessage("Credit", Credit.size, Credit.size, (payload) =>
          this.#owner.granted(Credit.device(payload, 0), Credit.bytes(payload, 0)),
        );
      default:
        return this.#owner.begin(type, sequence);
    }
  }

  #notReading(): ProtocolError | undefined {
    const { looseWaiting } = this.outbox;
    return looseWaiting <= this.#limits.looseBytes
      ? undefined
      : new ProtocolError(
          "PEER_NOT_READING",
          `${looseWaiting} bytes of answers wait, and more requests come`,
        );
  }

  #hello(payload: Uint8Array): ProtocolError | undefined {
    // Of several that were begun only one can be the first.
    if (this.#phase !== "greeting") return SECOND_HELLO;
    const hello = Hello.decode(payload);
    if (hello instanceof ProtocolError) return hello;
    if (MAGIC.some((byte, i) => hello.magic[i] !== byte)) {
      return new ProtocolError("BAD_FIELD", "Hello does not begin with WSLUSB");
    }
    const { credit } = hello;
    if (credit < CREDIT_MIN || credit > CREDIT_MAX) {
      return new ProtocolError("BAD_FIELD", `credit is ${credit}, not ${CREDIT_MIN} to ${CREDIT_MAX}`);
    }
    const error = this.#owner.greeted(hello);
    if (error !== undefined) return error;
    this.#phase = "open";
    this.#listen();
    return undefined;
  }

  #toldOff(payload: Uint8Array): ProtocolError {
    this.#isToldOff = true;
    const status = ErrorMessage.status(payload, 0);
    const words = ErrorMessage.message(payload, 0).replace(/[^\x20-\x7e]/g, "?");
    return new ProtocolError(errorCodeOf(status), `the peer ends with status ${status}: ${words}`);
  }

  #sayAlive(sequence: number, answer: number): void {
    this.say(MessageType.KeepAlive, sequence, KeepAlive.encode({ answer }));
  }

  /** Asks a silent peer whether it is there, and gives it up in the end. */
  #listen(): void {
    const everyMs = this.#limits.silenceMs / 3;
    const startMs = this.#loop.now();
    const limitMs = this.#heardMs + this.#limits.silenceMs;
    const dueMs = startMs + Math.max(Math.min(everyMs, limitMs - startMs), 1);
    this.#timer = this.#loop.after(dueMs - startMs, () => {
      const nowMs = this.#loop.now();
      if (nowMs - dueMs > HELD_UP_MS) this.#heardMs = nowMs;
      const silentMs = nowMs - this.#heardMs;
      if (silentMs >= this.#limits.silenceMs) {
        this.fail(new ProtocolError("PEER_SILENT", `nothing came for ${this.#limits.silenceMs / 1_000} s`));
        return;
      }
      if (silentMs >= everyMs / 2) this.#sayAlive(++this.#questions, QUESTION);
      this.#listen();
      this.outbox.send();
    });
  }
}

const SECOND_HELLO = new ProtocolError("BAD_COMMAND", "a second Hello came");

/** Types that version 1 has, with other payloads. */
const VERSION_1_TYPES: ReadonlySet<number> = new Set([1, 2, 3, 4, 5, 6]);

/** Whatever is no frame of this protocol at all is refused for its type, not for what its other bytes happen to say. */
function greeting(type: number): ProtocolError | undefined {
  if (type === MessageType.Hello || type === MessageType.Error) return undefined;
  const first = VERSION_1_TYPES.has(type) ? `${type}, as in version 1` : `${type}`;
  return new ProtocolError(
    "BAD_VERSION",
    `the first frame has type ${first}; version 2 is spoken here, which begins with Hello (type 7)`,
  );
}
