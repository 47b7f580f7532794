import { type Urb, UrbFlag } from "../usb/urb.ts";
import { ByteTemplate } from "../wire/byte-template.ts";

// What is imported is looked up at each use; a constant of its own module is part of the compiled code.
const { mayLend } = UrbFlag;

/** 0: zeros. 63: each byte is its position in its packet modulo 63. usbtest calls them 0 and 1. */
export type Pattern = 0 | 63;

// So is a method of a typed array.
const { set } = Uint8Array.prototype as {
  readonly set: (this: Uint8Array, bytes: Uint8Array, at: number) => void;
};

const NOTHING = new ByteTemplate(new Uint8Array(0));

/** The data of a source/sink endpoint. The position counts from the start of a transfer or packet. */
export class PatternData {
  readonly #pattern: Pattern;
  /** Whole packets by packet size, so that filling is copying. */
  readonly #stocks = new Map<number, ByteTemplate>();
  /** The stock that was used last, and for which packet size. */
  #stock = NOTHING;
  #packetSize = 0;
  /** What was given out of it last. */
  #front = NOTHING.bytes;

  constructor(pattern: Pattern) {
    this.#pattern = pattern;
  }

  /** Gives an IN transfer its data. */
  give(urb: Urb, packetSize: number): void {
    if (packetSize !== this.#packetSize) this.#use(packetSize);
    const { bytes } = this.#stock;
    if ((urb.flags & mayLend) !== 0 && urb.length <= bytes.length) {
      urb.buffer = bytes;
      urb.offset = 0;
    } else {
      this.fill(urb, urb.offset, urb.length, packetSize);
    }
  }

  fill(urb: Urb, at: number, length: number, packetSize: number): void {
    if (packetSize !== this.#packetSize) this.#use(packetSize);
    const { bytes } = this.#stock;
    for (let done = 0; done < length; done += bytes.length) {
      set.call(urb.buffer, this.#frontOf(bytes, Math.min(length - done, bytes.length)), at + done);
    }
  }

  matches({ buffer, offset, length }: Urb, packetSize: number): boolean {
    if (packetSize !== this.#packetSize) this.#use(packetSize);
    const stock = this.#stock;
    const most = stock.bytes.length;
    for (let done = 0; done < length; done += most) {
      if (!stock.matches(buffer, offset + done, Math.min(length - done, most))) return false;
    }
    return true;
  }

  /** The same view as last time if it can be: most transfers have the length of the one before. */
  #frontOf(bytes: Uint8Array, length: number): Uint8Array {
    if (length !== this.#front.length) this.#front = bytes.subarray(0, length);
    return this.#front;
  }

  #use(packetSize: number): void {
    let stock = this.#stocks.get(packetSize);
    if (stock === undefined) {
      const bytes = new Uint8Array(packetSize * Math.ceil(16_384 / packetSize));
      if (this.#pattern === 63) for (let i = 0; i < bytes.length; i++) bytes[i] = (i % packetSize) % 63;
      stock = new ByteTemplate(bytes);
      this.#stocks.set(packetSize, stock);
    }
    this.#stock = stock;
    this.#packetSize = packetSize;
    this.#front = NOTHING.bytes;
  }
}
