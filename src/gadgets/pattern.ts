import type { Urb } from "../usb/urb.ts";
import { equalBytes } from "../wire/equal-bytes.ts";

/** 0: zeros. 63: each byte is its position in its packet modulo 63. usbtest calls them 0 and 1. */
export type Pattern = 0 | 63;

/** The data of a source/sink endpoint. The position counts from the start of a transfer or packet. */
export class PatternData {
  readonly #pattern: Pattern;
  /** Whole packets by packet size, so that filling is copying. */
  readonly #stock = new Map<number, Uint8Array>();
  /** What was given out last, and of which stock. */
  #front: Uint8Array = new Uint8Array(0);
  #frontOf = this.#front;

  constructor(pattern: Pattern) {
    this.#pattern = pattern;
  }

  fill(urb: Urb, at: number, length: number, packetSize: number): void {
    const stock = this.#packets(packetSize);
    for (let done = 0; done < length; done += stock.length) {
      urb.buffer.set(this.#frontOfStock(stock, Math.min(length - done, stock.length)), at + done);
    }
  }

  matches({ buffer, offset, length }: Urb, packetSize: number): boolean {
    const stock = this.#packets(packetSize);
    for (let done = 0; done < length; done += stock.length) {
      if (!equalBytes(buffer, offset + done, stock, 0, Math.min(length - done, stock.length))) return false;
    }
    return true;
  }

  /** The same view as last time if it can be: most transfers have the length of the one before. */
  #frontOfStock(stock: Uint8Array, length: number): Uint8Array {
    if (stock !== this.#frontOf || length !== this.#front.length) {
      this.#front = stock.subarray(0, length);
      this.#frontOf = stock;
    }
    return this.#front;
  }

  #packets(packetSize: number): Uint8Array {
    let stock = this.#stock.get(packetSize);
    if (stock === undefined) {
      stock = new Uint8Array(packetSize * Math.ceil(16_384 / packetSize));
      if (this.#pattern === 63) for (let i = 0; i < stock.length; i++) stock[i] = (i % packetSize) % 63;
      this.#stock.set(packetSize, stock);
    }
    return stock;
  }
}
