import { closeSync } from "node:fs";
import { DescriptorReceiver } from "../linux/descriptor-passing.ts";
import { yieldProcessor } from "../linux/processor.ts";
import { StreamSockets, WOULD_BLOCK } from "../linux/stream-socket.ts";
import { SystemError } from "../linux/system-error.ts";
import type { ProtocolError } from "../wire/protocol-error.ts";
import { MessageReader } from "./message-reader.ts";
import { Command, FDS_MAX, Header } from "./messages.ts";
import type { Session } from "./session.ts";

/** Looks in a row, and requests found by them, before everything else on the loop has its turn. */
const LOOKS_IN_A_ROW = 8;
const FOUND_IN_A_ROW = 4;
/** Whoever is without the processor for so long shares it with others, and is sooner there again when woken up than when in line. */
const CROWDED_MS = 0.2;
/** Then nothing is looked for. */
const REST_MS = 100;

/** What this room needs of a loop. */
export interface DescriptorLoop {
  /** How long its thread may look by itself for the next request of a client that was answered, before it sleeps. Nothing: not at all. */
  readonly lookMs?: number;
  /** Monotonic. */
  now(): number;
  /** Calls once, when the present callback has returned. */
  soon(callback: () => void): void;
  /** Calls each time the descriptor can be read (or written) until cancelled. */
  watch(fd: number, direction: "readable" | "writable", callback: () => void): { cancel(): void };
}

/** Why a connection is over; nothing if the client closed it. */
export type ConnectionEnd = ProtocolError | SystemError | undefined;

/**
 * One client at its socket. Each request is answered before the next one is looked at. From a client that does not read its answers nothing more is read.
 * A virtual processor stands still until its access is answered, and a driver makes several in a row: to be woken up for each
 * would take longer than all else.
 */
export class Connection {
  readonly #fd: number;
  readonly #session: Session;
  readonly #loop: DescriptorLoop;
  readonly #ended: (cause: ConnectionEnd) => void;
  readonly #sockets: StreamSockets;
  readonly #receiver: DescriptorReceiver;
  readonly #reader: MessageReader;
  readonly #reply: readonly Uint8Array[];
  #watch: { cancel(): void } | undefined;
  /** Of the reply, what has left and what it has. */
  #sent = 0;
  #replyBytes = 0;
  #isOver = false;
  readonly #lookMs: number;
  #isLooking = false;
  #lookUntilMs = 0;
  #restUntilMs = 0;
  /** Something came since the last turn that may have asked the loop for work: anything but reads. */
  #hasBegun = false;
  /** Of what came last, something was answered. */
  #hasAnswered = false;
  readonly #look = (): void => this.#lookForMore();

  private constructor(
    fd: number,
    session: Session,
    loop: DescriptorLoop,
    ended: (cause: ConnectionEnd) => void,
    io: { sockets: StreamSockets; receiver: DescriptorReceiver; reader: MessageReader },
  ) {
    this.#fd = fd;
    this.#session = session;
    this.#loop = loop;
    this.#ended = ended;
    this.#sockets = io.sockets;
    this.#receiver = io.receiver;
    this.#reader = io.reader;
    this.#reply = [session.reply];
    this.#lookMs = loop.lookMs ?? 0;
  }

  /** Owns the descriptor of a connected socket, and starts at once. `ended` is told once, unless it is closed before. */
  static open(
    fd: number,
    session: Session,
    loop: DescriptorLoop,
    ended: (cause: ConnectionEnd) => void,
  ): Connection | SystemError {
    const reader = new MessageReader();
    const receiver = DescriptorReceiver.open(reader.buffer, FDS_MAX);
    if (receiver instanceof SystemError) return receiver;
    const sockets = StreamSockets.open();
    if (sockets instanceof SystemError) return sockets;
    const connection = new Connection(fd, session, loop, ended, { sockets, receiver, reader });
    connection.#listen();
    return connection;
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#watch?.cancel();
    closeSync(this.#fd);
    this.#reader.close();
    this.#session.end();
  }

  #listen(): void {
    this.#watch = this.#loop.watch(this.#fd, "readable", () => void this.#read());
  }

  /** False if nothing has come. */
  #read(): boolean {
    const length = this.#receiver.receive(this.#fd, this.#reader.end);
    if (length === WOULD_BLOCK) return false;
    if (length instanceof SystemError || length === 0) {
      this.#end(length instanceof SystemError ? length : undefined);
      return true;
    }
    const wrong = this.#reader.arrived(length, this.#receiver.fds);
    if (wrong === undefined) this.#work();
    else this.#end(wrong);
    return true;
  }

  /** Sleeps when the last answer is old enough. */
  #lookForMore(): void {
    let found = 0;
    this.#hasBegun = false;
    for (let looks = 0; looks < LOOKS_IN_A_ROW && found < FOUND_IN_A_ROW; looks++) {
      if (this.#isOver || this.#isHeldUp) {
        this.#isLooking = false;
        return;
      }
      const isCrowded = this.#giveWay();
      const hasCome = this.#read();
      if (isCrowded) {
        this.#isLooking = false;
        return;
      }
      if (!hasCome) continue;
      found++;
      looks = 0;
      // Rings are walked before more is looked for; but Linux reads a doorbell back, and its processor would wait for the walk, too.
      if (this.#hasBegun && this.#hasAnswered) break;
    }
    this.#isLooking = found > 0 || this.#loop.now() < this.#lookUntilMs;
    if (this.#isLooking) this.#loop.soon(this.#look);
  }

  /** The client may need this very processor. True if others have it, too. */
  #giveWay(): boolean {
    const beganMs = this.#loop.now();
    yieldProcessor();
    const endedMs = this.#loop.now();
    if (endedMs - beganMs < CROWDED_MS) return false;
    this.#restUntilMs = endedMs + REST_MS;
    return true;
  }

  #expectMore(): void {
    const nowMs = this.#loop.now();
    this.#lookUntilMs = nowMs + this.#lookMs;
    if (this.#isLooking || nowMs < this.#restUntilMs) return;
    this.#isLooking = true;
    if (this.#hasBegun) this.#loop.soon(this.#look);
    else this.#look();
  }

  /** The client has not read its last answer. */
  get #isHeldUp(): boolean {
    return this.#sent < this.#replyBytes;
  }

  #work(): void {
    const reader = this.#reader;
    this.#hasAnswered = false;
    while (!this.#isHeldUp) {
      const size = reader.next();
      if (size === 0) break;
      if (typeof size !== "number") {
        this.#end(size);
        return;
      }
      this.#hasBegun ||= Header.command(reader.buffer, reader.at) !== Command.REGION_READ;
      const answered = this.#session.handle(reader.buffer, reader.at, size, reader.takeDescriptors());
      if (typeof answered !== "number") {
        this.#end(answered);
        return;
      }
      reader.consume(size);
      this.#sent = 0;
      this.#replyBytes = answered;
      if (answered === 0) continue;
      if (!this.#send()) return;
      this.#hasAnswered = true;
    }
    reader.compact();
    if (this.#hasAnswered && this.#lookMs > 0) this.#expectMore();
  }

  /** False if the connection is over. */
  #send(): boolean {
    const sent = this.#sockets.send(this.#fd, this.#reply, 0, this.#sent, this.#replyBytes - this.#sent);
    if (sent instanceof SystemError) {
      this.#end(sent);
      return false;
    }
    if (sent !== WOULD_BLOCK) this.#sent += sent;
    if (this.#isHeldUp) this.#wait();
    return true;
  }

  /** Until the client has read. */
  #wait(): void {
    this.#watch?.cancel();
    this.#watch = this.#loop.watch(this.#fd, "writable", () => {
      if (!this.#send() || this.#isHeldUp) return;
      this.#watch?.cancel();
      this.#listen();
      this.#work();
    });
  }

  #end(cause: ConnectionEnd): void {
    if (this.#isOver) return;
    this.close();
    this.#ended(cause);
  }
}
