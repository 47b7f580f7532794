import { connect, type Socket } from "node:net";
import type { ByteStream, ByteStreamEvents } from "../../gadgets/byte-stream.ts";
import type { Log } from "../log.ts";

/** A connection to a port of this machine, made anew each time the stream is opened. */
export class TcpStream implements ByteStream {
  readonly #port: number;
  readonly #log: Log;
  readonly #sockets = new Set<Socket>();
  #socket: Socket | undefined;

  constructor(port: number, log: Log) {
    this.#port = port;
    this.#log = log;
  }

  open(events: ByteStreamEvents): void {
    const socket = connect({ port: this.#port, host: "127.0.0.1", noDelay: true });
    this.#socket = socket;
    this.#sockets.add(socket);
    const isCurrent = (): boolean => this.#socket === socket;
    socket.on("data", (bytes) => {
      if (isCurrent() && !events.receive(bytes)) socket.pause();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      const place = `127.0.0.1:${this.#port}`;
      const advice =
        error.code === "ECONNREFUSED"
          ? "; start the program that listens there, then open the port again"
          : "";
      this.#log.warn(
        { code: "BRIDGE_FAILED", place },
        `the serial port reaches ${place} no more: ${error.message}${advice}`,
      );
    });
    socket.on("close", () => {
      this.#sockets.delete(socket);
      if (isCurrent()) events.ended();
    });
  }

  write(bytes: Uint8Array, taken: () => void): void {
    // A socket that is gone runs the callback too, with an error.
    this.#socket!.write(bytes, () => taken());
  }

  resume(): void {
    this.#socket?.resume();
  }

  close(): void {
    // What was written still leaves; what arrives goes nowhere, but is read so that the end is seen.
    this.#socket?.end();
    this.#socket?.resume();
    this.#socket = undefined;
  }

  /** Cuts all connections. */
  destroy(): void {
    this.#socket = undefined;
    for (const socket of this.#sockets) socket.destroy();
  }
}
