import type { ByteStream, ByteStreamEvents } from "./byte-stream.ts";

/** A line that is plugged into itself. */
export class EchoStream implements ByteStream {
  #events: ByteStreamEvents | undefined;
  /** A write that waits because its echo was too much. */
  #taken: (() => void) | undefined;

  open(events: ByteStreamEvents): void {
    this.#events = events;
  }

  write(bytes: Uint8Array, taken: () => void): void {
    if (this.#events?.receive(bytes) === false) this.#taken = taken;
    else taken();
  }

  resume(): void {
    const taken = this.#taken;
    this.#taken = undefined;
    taken?.();
  }

  close(): void {
    this.#events = undefined;
    this.resume();
  }
}
