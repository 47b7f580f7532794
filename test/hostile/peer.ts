import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { AT, importOf, putWord, word } from "../fuzz/usbip-message.ts";

const IMPORT_REPLY = 320;
const RECORD = 8;

/** Peers so far. Each has an address of its own: ports come back, and two peers of one name have two lines. */
let connected = 0;

/** A client that sends what it is told to, right or wrong. */
export class Peer {
  readonly socket: Socket;
  /** As the host writes it. */
  readonly name: string;
  #received: Buffer = Buffer.alloc(0);
  #arrived: (() => void) | undefined;
  #isClosed = false;

  static async connect(port: number): Promise<Peer> {
    const number = ++connected;
    const localAddress = `127.1.${number >> 8}.${number & 0xff}`;
    const socket = connect({ port, host: "127.0.0.1", localAddress, noDelay: true });
    socket.on("error", () => {});
    await once(socket, "connect");
    return new Peer(socket);
  }

  private constructor(socket: Socket) {
    this.socket = socket;
    this.name = `tcp:${socket.localAddress}:${socket.localPort}`;
    socket.on("data", (bytes: Buffer) => {
      this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
      this.#arrived?.();
    });
    socket.on("close", () => {
      this.#isClosed = true;
      this.#arrived?.();
    });
  }

  send(...messages: readonly Uint8Array[]): void {
    for (const message of messages) this.socket.write(message);
  }

  /** Sends the same again and again without reading, for as long as the host takes it. */
  async flood(message: Uint8Array, times: number): Promise<void> {
    this.socket.pause();
    for (let i = 0; i < times && !this.#isClosed; i++) {
      await new Promise<void>((resolve) => {
        this.socket.write(message, () => resolve());
      });
    }
  }

  async read(length: number): Promise<Buffer> {
    while (this.#received.length < length) {
      if (this.#isClosed)
        throw new Error(`the host closed after ${this.#received.length} of ${length} bytes`);
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
    const bytes = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return bytes;
  }

  /** Imports a device and gives its devid. */
  async import(busid: string): Promise<number> {
    this.send(importOf(busid));
    const reply = await this.read(RECORD);
    if (word(reply, 4) !== 0) throw new Error(`the import of ${busid} was refused with ${word(reply, 4)}`);
    const record = await this.read(IMPORT_REPLY - RECORD);
    return ((word(record, 288) << 16) | word(record, 292)) >>> 0;
  }

  /** Waits for the end of the connection. */
  async closed(): Promise<void> {
    // Nothing is left unread for ever: an end is seen only behind it.
    this.socket.resume();
    if (!this.#isClosed) await once(this.socket, "close");
  }
}

/** The message, addressed to a device. */
export function to(devid: number, message: Uint8Array): Uint8Array {
  putWord(message, AT.devid, devid);
  return message;
}
