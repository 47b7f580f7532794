import { closeSync, readSync, writeSync } from "node:fs";
import type { ByteStream, ByteStreamEvents } from "../../gadgets/byte-stream.ts";
import { openPty, type Pty } from "../../linux/pty.ts";
import { SystemError } from "../../linux/system-error.ts";
import type { Cancellable, Loop } from "../../usb/loop.ts";

const READ_BYTES = 16 * 1024;

/** A pseudo terminal: a program of this machine opens `path` as its serial port. */
export class PtyStream implements ByteStream {
  readonly #pty: Pty;
  readonly #loop: Loop;
  readonly #buffer = new Uint8Array(READ_BYTES);
  #events: ByteStreamEvents | undefined;
  #reading: Cancellable | undefined;
  #writing: Cancellable | undefined;

  private constructor(pty: Pty, loop: Loop) {
    this.#pty = pty;
    this.#loop = loop;
  }

  static open(loop: Loop): PtyStream | SystemError {
    const pty = openPty();
    return pty instanceof SystemError ? pty : new PtyStream(pty, loop);
  }

  get path(): string {
    return this.#pty.path;
  }

  open(events: ByteStreamEvents): void {
    this.#events = events;
    this.resume();
  }

  write(bytes: Uint8Array, taken: () => void): void {
    const written = this.#move(() => writeSync(this.#pty.fd, bytes));
    if (written === undefined || written === bytes.length) {
      taken();
      return;
    }
    // Its buffer of some KiB is full: no program reads.
    this.#writing = this.#loop.watch(this.#pty.fd, "writable", () => {
      this.#writing?.cancel();
      this.#writing = undefined;
      this.write(bytes.subarray(written), taken);
    });
  }

  resume(): void {
    this.#reading ??= this.#loop.watch(this.#pty.fd, "readable", () => {
      const length = this.#move(() => readSync(this.#pty.fd, this.#buffer)) ?? 0;
      if (length > 0 && this.#events?.receive(this.#buffer.subarray(0, length)) === false) this.#pause();
    });
  }

  close(): void {
    this.#pause();
    this.#events = undefined;
  }

  /** Takes the pseudo terminal away. */
  destroy(): void {
    this.close();
    this.#writing?.cancel();
    closeSync(this.#pty.programFd);
    closeSync(this.#pty.fd);
  }

  #pause(): void {
    this.#reading?.cancel();
    this.#reading = undefined;
  }

  /** How much moved: none if it would block. Nothing if the terminal failed: the other side is told. */
  #move(call: () => number): number | undefined {
    try {
      return call();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") return 0;
      const events = this.#events;
      this.close();
      events?.ended();
      return undefined;
    }
  }
}
