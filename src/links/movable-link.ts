import type { Socket } from "node:net";
import { duplicate } from "../linux/stream-socket.ts";
import { SystemError } from "../linux/system-error.ts";
import { GiveableLink } from "./giveable-link.ts";
import { descriptorOf } from "./stream-handle.ts";

/** A link over a socket of Node whose connection another thread can go on with. */
export class MovableLink extends GiveableLink<Socket> {
  protected override give(socket: Socket): number | SystemError | undefined {
    const fd = descriptorOf(socket);
    if (fd === undefined) return undefined;
    const copy = duplicate(fd);
    // Closes its descriptor without a word to the peer: the copy keeps the connection.
    if (!(copy instanceof SystemError)) socket.destroy();
    return copy;
  }
}
