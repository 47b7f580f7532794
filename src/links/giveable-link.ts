import type { OnReadOpts, Socket } from "node:net";
import { SystemError } from "../linux/system-error.ts";
import type { LinkError } from "./link-error.ts";
import { SocketLink } from "./socket-link.ts";

const NOTHING = new Uint8Array(0);

/** A link over a socket of Node whose connection somebody else can go on with. See `Link.move`. */
export abstract class GiveableLink<S extends Socket> extends SocketLink {
  readonly #socket: S;
  #moved: ((fd: number) => void) | undefined;
  #lost: ((cause: LinkError) => void) | undefined;
  #isGone = false;

  constructor(peer: string, open: (onread: OnReadOpts, deliver: (bytes: Uint8Array) => void) => S) {
    let socket!: S;
    super(peer, (onread, deliver) => {
      socket = open(onread, deliver);
      return socket;
    });
    this.#socket = socket;
  }

  override start(receive: (bytes: Uint8Array) => void, ended: (cause?: LinkError) => void): void {
    super.start(receive, (cause) => {
      if (!this.#isGone) ended(cause);
      else if (cause !== undefined) this.#lost?.(cause);
    });
  }

  move(moved: (fd: number) => void, lost: (cause: LinkError) => void = () => {}): void {
    this.#socket.pause();
    this.#moved = moved;
    this.#lost = lost;
    // Comes back when everything before it has left, or cannot leave any more.
    this.#socket.write(NOTHING, () => this.#give());
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

  /** Makes the descriptor that is given away, with all that it needs; nothing if the socket has none. */
  protected abstract give(socket: S): number | SystemError | undefined;

  #give(): void {
    const moved = this.#moved;
    if (moved === undefined || this.#socket.destroyed) return;
    const fd = this.give(this.#socket);
    if (fd instanceof SystemError) {
      this.#socket.destroy(fd);
    } else if (fd !== undefined) {
      this.#isGone = true;
      moved(fd);
    }
  }
}
