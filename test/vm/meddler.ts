import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** What a meddling host says to a request, given the bytes of the request. Nothing: it keeps silent. */
export type Lie = (request: Buffer) => Uint8Array | undefined;

/** Stands between the guest and a host: honest until it is told to lie, from then on each request gets the lie. */
export class Meddler {
  lie: Lie | undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(hostPort: number) {
    this.#server = createServer((guest) => {
      const host = connect(hostPort, "127.0.0.1");
      for (const [socket, other] of [
        [guest, host],
        [host, guest],
      ] as const) {
        this.#sockets.add(socket);
        socket.setNoDelay(true);
        socket.on("error", () => {});
        socket.on("close", () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
      }
      host.on("data", (bytes) => guest.write(bytes));
      guest.on("data", (bytes) => {
        if (this.lie === undefined) host.write(bytes);
        else {
          const answer = this.lie(bytes);
          if (answer !== undefined) guest.write(answer);
        }
      });
    });
  }

  static async before(hostPort: number): Promise<Meddler> {
    const meddler = new Meddler(hostPort);
    meddler.#server.listen(0, "127.0.0.1");
    await once(meddler.#server, "listening");
    return meddler;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  stop(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
