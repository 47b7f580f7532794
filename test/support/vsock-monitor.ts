import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { Link } from "../../src/links/link.ts";
import { MovableLink } from "../../src/links/movable-link.ts";
import { rewrap } from "../../src/links/stream-handle.ts";

/** The vsock socket of a virtual machine monitor, which takes every connection and is the guest itself. */
export class VsockMonitor {
  readonly path: string;
  readonly close: () => void;

  private constructor(path: string, close: () => void) {
    this.path = path;
    this.close = close;
  }

  /** `answer` is what a CONNECT line gets; `arrived` gets the guest's end behind it. */
  static async listen(
    path: string,
    arrived: (link: Link) => void,
    answer = (_line: string): string => "OK 1073741824\n",
  ): Promise<VsockMonitor> {
    const server = createServer((socket) =>
      readLine(socket, (line) => {
        socket.write(answer(line));
        arrived(new MovableLink("guest", (onread) => rewrap(socket, onread)));
      }),
    );
    server.listen(path);
    await once(server, "listening");
    return new VsockMonitor(path, () => server.close());
  }
}

function readLine(socket: Socket, read: (line: string) => void): void {
  let line = "";
  socket.on("error", () => {});
  const take = (bytes: Buffer): void => {
    line += bytes.toString("latin1");
    if (!line.endsWith("\n")) return;
    socket.off("data", take);
    socket.pause();
    read(line.slice(0, -1));
  };
  socket.on("data", take);
}
