import type { ManualLoop } from "./manual-loop.ts";

/** Cuts a stream into pieces of a changing size, the next piece a turn later. */
export class Pieces {
  readonly #loop: ManualLoop;
  readonly #receive: (bytes: Uint8Array) => void;
  #size = 1;

  constructor(loop: ManualLoop, receive: (bytes: Uint8Array) => void) {
    this.#loop = loop;
    this.#receive = receive;
  }

  write(chunks: readonly Uint8Array[], written: () => void): void {
    const bytes = Uint8Array.from(Buffer.concat(chunks));
    for (let at = 0; at < bytes.length; at += this.#size) {
      this.#size = ((this.#size * 7 + 1) % 1000) + 1;
      const piece = bytes.subarray(at, at + this.#size);
      this.#loop.soon(() => this.#receive(piece));
    }
    this.#loop.soon(written);
  }
}
