import { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { socketPair } from "../linux/socket-pair.ts";
import { SystemError } from "../linux/system-error.ts";
import { GiveableLink } from "./giveable-link.ts";

/** How long a descriptor that was given away may stay open after the connection was lost. */
const CLOSE_MS = 5_000;

/**
 * A link through TLS, to a paired machine. The descriptor that is given away is one end of a pair of sockets; what passes the
 * other end is encrypted here.
 */
export class TlsLink extends GiveableLink<TLSSocket> {
  readonly peerName: string;

  /** The socket is connected and trusted, and paused. */
  constructor(peer: string, peerName: string, socket: TLSSocket) {
    super(peer, (_onread, deliver) => {
      socket.pause();
      socket.on("data", (bytes: Buffer) => {
        if (!socket.destroyed) deliver(bytes);
      });
      return socket;
    });
    this.peerName = peerName;
  }

  /** What is encrypted is of no use to a kernel. */
  override get descriptor(): undefined {
    return undefined;
  }

  protected override give(socket: TLSSocket): number | SystemError {
    const pair = socketPair();
    if (pair instanceof SystemError) return pair;
    const [ours, theirs] = pair;
    socket.removeAllListeners("data");
    carry(socket, new Socket({ fd: ours, readable: true, writable: true }));
    return theirs;
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
