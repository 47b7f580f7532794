import { closeSync } from "node:fs";
import { SystemError } from "../linux/system-error.ts";
import { Connection, type ConnectionEnd, type DescriptorLoop } from "./connection.ts";
import type { PciFunction } from "./pci-function.ts";
import { Session } from "./session.ts";

export interface ServerEvents {
  /** A client is there. */
  connected(): void;
  /** It is there no longer, and the function is as after power-on. */
  disconnected(cause: ConnectionEnd): void;
  /** A client was sent away, because two others are there. */
  refused(): void;
}

/**
 * Serves one function to one client at a time. The next one waits until that is gone: a VM that starts anew may connect before the
 * end of its old connection has been seen.
 */
export class VfioUserServer {
  readonly #function: PciFunction;
  readonly #loop: DescriptorLoop;
  readonly #events: ServerEvents;
  #connection: Connection | undefined;
  #waiting: number | undefined;

  constructor(pciFunction: PciFunction, loop: DescriptorLoop, events: ServerEvents) {
    this.#function = pciFunction;
    this.#loop = loop;
    this.#events = events;
  }

  get isConnected(): boolean {
    return this.#connection !== undefined;
  }

  /** Owns the descriptor of a connected socket. */
  take(fd: number): void {
    if (this.#connection === undefined) {
      this.#open(fd);
    } else if (this.#waiting === undefined) {
      this.#waiting = fd;
    } else {
      closeSync(fd);
      this.#events.refused();
    }
  }

  /** Takes the function away from its client. */
  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
    if (this.#waiting !== undefined) closeSync(this.#waiting);
    this.#waiting = undefined;
  }

  #open(fd: number): void {
    const session = new Session(this.#function);
    const connection = Connection.open(fd, session, this.#loop, (cause) => this.#ended(cause));
    if (connection instanceof SystemError) {
      closeSync(fd);
      this.#events.disconnected(connection);
      return;
    }
    this.#connection = connection;
    this.#events.connected();
  }

  #ended(cause: ConnectionEnd): void {
    this.#connection = undefined;
    this.#events.disconnected(cause);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) this.#open(waiting);
  }
}
