import { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { socketPair } from "../linux/socket-pair.ts";
import { SystemError } from "../linux/system-error.ts";
import { type LinkError, linkError } from "./link-error.ts";
import { SocketLink } from "./socket-link.ts";

const NOTHING = new Uint8Array(0);

/** How long a descriptor that was given away may stay open after the connection was lost. */
const CLOSE_MS = 5_000;

/** A link through TLS, to a paired machine. */
export class TlsLink extends SocketLink {
  readonly peerName: string;
  readonly #socket: TLSSocket;
  #moved: ((fd: number) => void) | undefined;
  #failed: ((cause: LinkError) => void) | undefined;
  #gone = false;

  /** The socket is connected and trusted, and paused. */
  constructor(peer: string, peerName: string, socket: TLSSocket) {
    const open = (_onread: unknown, deliver: (bytes: Uint8Array) => void): TLSSocket => {
      socket.pause();
      socket.on("data", (bytes: Buffer) => {
        if (!socket.destroyed) deliver(bytes);
      });
      return socket;
    };
    super(peer, open, { noticesSilence: true });
    this.#socket = socket;
    this.peerName = peerName;
  }

  /** What is encrypted is of no use to a kernel. */
  override get descriptor(): undefined {
    return undefined;
  }

  override start(receive: (bytes: Uint8Array) => void, ended: (cause?: LinkError) => void): void {
    super.start(receive, (cause) => {
      if (!this.#gone) ended(cause);
      else if (cause !== undefined) this.#failed?.(cause);
    });
  }

  /** The descriptor is one end of a pair of sockets; what passes the other end is encrypted here. */
  move(moved: (fd: number) => void, lost: (cause: LinkError) => void = () => {}): void {
    this.#socket.pause();
    this.#moved = moved;
    this.#failed = lost;
    this.#socket.write(NOTHING, () => this.#give());
  }

  override end(): void {
    super.end();
    if (this.#moved === undefined) return;
    this.#moved = undefined;
    this.#socket.resume();
  }

  override destroy(): void {
    this.#moved = undefined;
    super.destroy();
  }

  #give(): void {
    const moved = this.#moved;
    const socket = this.#socket;
    if (moved === undefined || socket.destroyed) return;
    const pair = socketPair();
    if (pair instanceof SystemError) {
      socket.destroy(linkError("carry", this.peer, pair));
      return;
    }
    const [ours, theirs] = pair;
    this.#gone = true;
    socket.removeAllListeners("data");
    carry(socket, new Socket({ fd: ours, readable: true, writable: true }));
    moved(theirs);
  }
}

/** Passes bytes both ways, as fast as the slower side takes them, until either side ends. */
function carry(socket: TLSSocket, near: Socket): void {
  socket.pipe(near);
  near.pipe(socket);
  near.on("error", () => {});
  near.on("close", () => {
    if (!socket.writableEnded) socket.destroy();
  });
  socket.on("close", () => {
    // Answers that nobody waits for any more must not keep whoever has the other end from closing it.
    near.resume();
    near.end();
    const patience = setTimeout(() => near.destroy(), CLOSE_MS);
    near.on("close", () => clearTimeout(patience));
  });
}
