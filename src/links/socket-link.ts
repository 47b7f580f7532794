import type { OnReadOpts, Socket } from "node:net";
import type { Link, LinkTraits } from "./link.ts";
import { type LinkError, linkError } from "./link-error.ts";
import { PacedWrites } from "./paced-writes.ts";
import { descriptorOf, unsentBytes, writtenBytes } from "./stream-handle.ts";

const READ_BYTES = 256 * 1024;

// A read fills the buffer and is delivered in the same turn, so all links of a thread can share one. Not on
// Windows: there a read owns its buffer until it completes.
const shared = process.platform === "win32" ? undefined : Buffer.allocUnsafeSlow(READ_BYTES);

/** A link over a socket of Node. */
export class SocketLink implements Link {
  readonly peer: string;
  readonly noticesSilence: boolean | undefined;
  readonly writeBytes: number | undefined;
  readonly #socket: Socket;
  readonly #paced: PacedWrites | undefined;
  #receive: (bytes: Uint8Array) => void = () => {};
  #ended: (cause?: LinkError) => void = () => {};
  #started = false;
  #cause: LinkError | undefined;
  #given: number;
  /** The read buffer as far as it was filled last. Steady traffic fills it so again. */
  #read: Uint8Array = new Uint8Array(0);

  /**
   * `open` makes the socket, paused, with the read buffer of this link; one that cannot take it delivers bytes in memory of its
   * own. With `writeBytes` its own side has to stay open when the peer ends.
   */
  constructor(
    peer: string,
    open: (onread: OnReadOpts, deliver: (bytes: Uint8Array) => void) => Socket,
    { noticesSilence, writeBytes }: LinkTraits = {},
  ) {
    this.peer = peer;
    this.noticesSilence = noticesSilence;
    this.writeBytes = writeBytes;
    const onread: OnReadOpts = {
      buffer: shared ?? Buffer.allocUnsafeSlow(READ_BYTES),
      callback: (length, buffer) => {
        // No Buffer: what is a copy of bytes must not depend on who they came from.
        if (length !== this.#read.length)
          this.#read = new Uint8Array(buffer.buffer, buffer.byteOffset, length);
        this.#receive(this.#read);
        return true;
      },
    };
    const socket = open(onread, ({ buffer, byteOffset, length }) => {
      this.#receive(new Uint8Array(buffer, byteOffset, length));
    });
    this.#socket = socket;
    this.#paced = writeBytes === undefined ? undefined : new PacedWrites(socket, writeBytes);
    if (socket.allowHalfOpen) socket.on("end", () => this.end());
    // A handshake may have gone before.
    this.#given = writtenBytes(socket);
    socket.on("error", (cause) => {
      this.#cause ??= linkError("carry", peer, cause);
    });
    socket.on("close", () => {
      if (this.#started) this.#ended(this.#cause);
    });
  }

  get unsent(): number {
    return unsentBytes(this.#socket, this.#given);
  }

  get descriptor(): number | undefined {
    return descriptorOf(this.#socket);
  }

  start(receive: (bytes: Uint8Array) => void, ended: (cause?: LinkError) => void): void {
    this.#receive = receive;
    this.#ended = ended;
    this.#started = true;
    if (this.#socket.closed) queueMicrotask(() => ended(this.#cause));
    else this.#socket.resume();
  }

  write(chunks: readonly Uint8Array[], written: () => void): void {
    const socket = this.#socket;
    const last = chunks.length - 1;
    if (last < 0 || !socket.writable || this.#paced?.isEnded === true) {
      process.nextTick(written);
      return;
    }
    if (this.#paced !== undefined) {
      for (let i = 0; i <= last; i++) this.#given += chunks[i]!.length;
      this.#paced.write(chunks, written);
      return;
    }
    if (last > 0) socket.cork();
    for (let i = 0; i < last; i++) {
      this.#given += chunks[i]!.length;
      socket.write(chunks[i]!);
    }
    this.#given += chunks[last]!.length;
    socket.write(chunks[last]!, written);
    if (last > 0) socket.uncork();
  }

  end(): void {
    if (this.#paced === undefined) this.#socket.end();
    else this.#paced.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
