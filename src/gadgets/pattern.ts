import type { Urb } from "../usb/urb.ts";

/** 0: zeros. 63: each byte is its position in its packet modulo 63. usbtest calls them 0 and 1. */
export type Pattern = 0 | 63;

/** The data of a source/sink endpoint. The position counts from the start of a transfer or packet. */
export class PatternData {
  readonly #pattern: Pattern;
  /** Whole packets by packet size, so that filling is copying. */
  readonly #stock = new Map<number, Uint8Array>();

  constructor(pattern: Pattern) {
    this.#pattern = pattern;
  }

  fill(urb: Urb, at: number, length: number, packetSize: number): void {
    if (this.#pattern === 0) {
      urb.buffer.fill(0, at, at + length);
      return;
    }
    const stock = this.#packets(packetSize);
    for (let done = 0; done < length; done += stock.length) {
      urb.buffer.set(stock.subarray(0, Math.min(length - done, stock.length)), at + done);
    }
  }

  matches(urb: Urb, packetSize: number): boolean {
    const { buffer, offset, length } = urb;
    if (this.#pattern === 0) {
      for (let i = 0; i < length; i++) if (buffer[offset + i] !== 0) return false;
      return true;
    }
    const stock = this.#packets(packetSize);
    for (let i = 0; i < length; i++) if (buffer[offset + i] !== stock[i % stock.length]) return false;
    return true;
  }

  #packets(packetSize: number): Uint8Array {
    let stock = this.#stock.get(packetSize);
    if (stock === undefined) {
      stock = new Uint8Array(packetSize * Math.ceil(16_384 / packetSize));
      for (let i = 0; i < stock.length; i++) stock[i] = (i % packetSize) % 63;
      this.#stock.set(packetSize, stock);
    }
    return stock;
  }
}
