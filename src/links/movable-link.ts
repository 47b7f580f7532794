import type { OnReadOpts, Socket } from "node:net";
import { duplicate } from "../linux/stream-socket.ts";
import { SystemError } from "../linux/system-error.ts";
import type { LinkTraits } from "./link.ts";
import { type LinkError, linkError } from "./link-error.ts";
import { SocketLink } from "./socket-link.ts";
import { descriptorOf } from "./stream-handle.ts";

const NOTHING = new Uint8Array(0);

/** A link over a socket of Node whose connection another thread can go on with. */
export class MovableLink extends SocketLink {
  readonly #socket: Socket;
  #moved: ((fd: number) => void) | undefined;
  #refused: LinkError | undefined;
  #gone = false;

  constructor(peer: string, open: (onread: OnReadOpts) => Socket, traits?: LinkTraits) {
    let socket!: Socket;
    super(
      peer,
      (onread) => {
        socket = open(onread);
        return socket;
      },
      traits,
    );
    this.#socket = socket;
  }

  override start(receive: (bytes: Uint8Array) => void, ended: (cause?: LinkError) => void): void {
    super.start(receive, (cause) => {
      if (!this.#gone) ended(this.#refused ?? cause);
    });
  }

  move(moved: (fd: number) => void): void {
    this.#socket.pause();
    this.#moved = moved;
    // Comes back when everything before it has left, or cannot leave any more.
    this.write([NOTHING], () => this.#give());
  }

  override end(): void {
    super.end();
    if (this.#moved === undefined) return;
    this.#moved = undefined;
    // The peer's end is waited for, and seen only by a socket that reads.
    this.#socket.resume();
  }

  override destroy(): void {
    this.#moved = undefined;
    super.destroy();
  }

  #give(): void {
    const moved = this.#moved;
    const fd = descriptorOf(this.#socket);
    if (moved === undefined || fd === undefined || this.#socket.destroyed) return;
    const copy = duplicate(fd);
    if (copy instanceof SystemError) this.#refused = linkError("carry", this.peer, copy);
    else this.#gone = true;
    // Closes its descriptor without a word to the peer: the copy keeps the connection.
    this.#socket.destroy();
    if (!(copy instanceof SystemError)) moved(copy);
  }
}
