import { ProtocolError } from "../wire/protocol-error.ts";

/**
 * The receiving end of a device's credit: how much of it the peer has left, and what is to be given back. It is given
 * back by quarters: half is the latest that a peer has to put up with, and one that waits is held up.
 */
export class Room {
  readonly #whole: number;
  #left: number;
  #used = 0;

  constructor(whole: number) {
    this.#whole = whole;
    this.#left = whole;
  }

  /** The payload of a frame that costs credit comes in. */
  spend(bytes: number): ProtocolError | undefined {
    this.#left -= bytes;
    this.#used += bytes;
    if (this.#left >= 0) return undefined;
    return new ProtocolError("FLOOD", `${-this.#left} bytes came beyond the credit of ${this.#whole}`);
  }

  /** Bytes that have been used up and are worth giving back, or 0. They count as given back. */
  refund(): number {
    if (4 * this.#used < this.#whole) return 0;
    const bytes = this.#used;
    this.#used = 0;
    this.#left += bytes;
    return bytes;
  }
}
