import { closeSync, openSync, writeFileSync } from "node:fs";
import { UrbTrace } from "../usb/urb-trace.ts";
import { chromeTrace } from "./chrome-trace.ts";
import { Failed } from "./failure.ts";

/** Where the lives of the last URBs go when a host stops. */
export class TraceFile {
  /** Of the sessions on this thread, and of those in the data plane. */
  readonly main = new UrbTrace();
  readonly plane = new UrbTrace();
  readonly #path: string;
  readonly #fd: number;

  /** Throws Failed if the file cannot be written. */
  constructor(path: string) {
    this.#path = path;
    try {
      this.#fd = openSync(path, "w", 0o640);
    } catch (cause) {
      throw this.#failed(cause);
    }
  }

  /** Throws Failed. */
  write(): void {
    // The plane's clock is the system's, ours began with the process.
    const beganMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();
    const urbs = this.main.read().map((urb) => ({
      session: urb.session,
      seqnum: urb.seqnum,
      endpoint: urb.endpoint,
      status: urb.status,
      actualLength: urb.actualLength,
      arrivedMs: urb.arrivedMs + beganMs,
      completedMs: urb.completedMs + beganMs,
      leftMs: urb.leftMs + beganMs,
    }));
    try {
      writeFileSync(this.#fd, chromeTrace([...urbs, ...this.plane.read()]));
      closeSync(this.#fd);
    } catch (cause) {
      throw this.#failed(cause);
    }
  }

  #failed(cause: unknown): Failed {
    const { message } = cause as Error;
    return new Failed(`the trace cannot be written to ${this.#path}: ${message}. Name another file.`, {
      cause,
    });
  }
}
