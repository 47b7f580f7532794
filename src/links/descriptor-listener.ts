import { createServer, type Server, type Socket } from "node:net";
import { duplicate } from "../linux/stream-socket.ts";
import { SystemError } from "../linux/system-error.ts";
import type { UnixAddress } from "./address.ts";
import { linkError } from "./link-error.ts";
import { descriptorOf } from "./stream-handle.ts";
import { bindUnix } from "./unix.ts";

/**
 * Listens at a unix socket and gives away the descriptors of its connections, of which nothing has been read: the event loop
 * would drop descriptors that come with the bytes.
 */
export class DescriptorListener {
  readonly #server: Server;

  private constructor(accept: (fd: number) => void) {
    this.#server = createServer({ pauseOnConnect: true }, (socket) => {
      const fd = takeDescriptor(socket);
      if (fd !== undefined) accept(fd);
    });
  }

  /** In the place of the socket of a dead process; the file goes away with the listener. Rejects with a LinkError. */
  static async bind(address: UnixAddress, accept: (fd: number) => void): Promise<DescriptorListener> {
    const listener = new DescriptorListener(accept);
    await bindUnix(listener.#server, address);
    return listener;
  }

  /** At a socket that somebody else has bound, and listens at. Rejects with a LinkError. */
  static async adopt(listening: number, accept: (fd: number) => void): Promise<DescriptorListener> {
    const listener = new DescriptorListener(accept);
    await new Promise<void>((resolve, reject) => {
      listener.#server.once("error", (error) =>
        reject(linkError("listen", `descriptor ${listening}`, error)),
      );
      listener.#server.listen({ fd: listening }, resolve);
    });
    return listener;
  }

  close(): void {
    this.#server.close();
  }
}

/** Nothing if the connection has broken meanwhile. */
function takeDescriptor(socket: Socket): number | undefined {
  const own = descriptorOf(socket);
  const fd = own === undefined ? undefined : duplicate(own);
  socket.destroy();
  return fd instanceof SystemError ? undefined : fd;
}
