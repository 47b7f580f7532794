import { closeSync } from "node:fs";
import { DescriptorReceiver } from "../linux/descriptor-passing.ts";
import { StreamSockets, WOULD_BLOCK } from "../linux/stream-socket.ts";
import { SystemError } from "../linux/system-error.ts";
import type { ProtocolError } from "../wire/protocol-error.ts";
import { MessageReader } from "./message-reader.ts";
import { FDS_MAX } from "./messages.ts";
import type { Session } from "./session.ts";

/** What this room needs of a loop: calls each time the descriptor can be read (or written) until cancelled. */
export interface DescriptorLoop {
  watch(fd: number, direction: "readable" | "writable", callback: () => void): { cancel(): void };
}

/** Why a connection is over; nothing if the client closed it. */
export type ConnectionEnd = ProtocolError | SystemError | undefined;

/**
 * One client at its socket. Each request is answered before the next one is looked at. From a client that does not read its answers nothing more is read.
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
    this.#watch = this.#loop.watch(this.#fd, "readable", () => this.#read());
  }

  #read(): void {
    const length = this.#receiver.receive(this.#fd, this.#reader.end);
    if (length === WOULD_BLOCK) return;
    if (length instanceof SystemError || length === 0) {
      this.#end(length instanceof SystemError ? length : undefined);
      return;
    }
    const wrong = this.#reader.arrived(length, this.#receiver.fds);
    if (wrong === undefined) this.#work();
    else this.#end(wrong);
  }

  #work(): void {
    const reader = this.#reader;
    while (this.#sent === this.#replyBytes) {
      const size = reader.next();
      if (size === 0) break;
      if (typeof size !== "number") {
        this.#end(size);
        return;
      }
      const answered = this.#session.handle(reader.buffer, reader.at, size, reader.takeDescriptors());
      if (typeof answered !== "number") {
        this.#end(answered);
        return;
      }
      reader.consume(size);
      this.#sent = 0;
      this.#replyBytes = answered;
      if (answered > 0 && !this.#send()) return;
    }
    reader.compact();
  }

  /** False if the connection is over. */
  #send(): boolean {
    const sent = this.#sockets.send(this.#fd, this.#reply, 0, this.#sent, this.#replyBytes - this.#sent);
    if (sent instanceof SystemError) {
      this.#end(sent);
      return false;
    }
    if (sent !== WOULD_BLOCK) this.#sent += sent;
    if (this.#sent < this.#replyBytes) this.#wait();
    return true;
  }

  /** Until the client has read. */
  #wait(): void {
    this.#watch?.cancel();
    this.#watch = this.#loop.watch(this.#fd, "writable", () => {
      if (!this.#send() || this.#sent < this.#replyBytes) return;
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
