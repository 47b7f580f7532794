import type { BufferPool } from "../usb/device.ts";
import { HeapPool, NONE } from "../usb/heap-pool.ts";
import type { Exchange } from "./exchange.ts";
import { Pages } from "./pages.ts";
import { HEADER_SIZE } from "./pdu.ts";

/** Up to here an answer and its data stand in a page, beside those before and behind it. */
const PIECE_MAX = 4 << 10;

/** The memory of one session for its transfers: bounded, and used again. */
export class TransferMemory {
  readonly #pool: HeapPool;
  readonly #pages: Pages;

  /** Of this session's time: the device may be open again, with other memory, while answers still leave. */
  readonly #ofDevice: BufferPool | undefined;

  /** `dropped` runs when memory was let go that exchanges may still know. */
  constructor(limit: number, ofDevice: BufferPool | undefined, dropped: () => void) {
    this.#ofDevice = ofDevice;
    this.#pool = new HeapPool(limit, dropped);
    this.#pages = new Pages(this.#pool);
  }

  /** Gives an exchange `size` bytes for its answer and its transfer; false if the limit is reached. */
  take(exchange: Exchange, size: number): boolean {
    if (!this.#takeAnswer(exchange, size)) return false;
    exchange.placeData();
    return true;
  }

  /** Gives an exchange memory that the device likes; false if there is none. */
  takeOfDevice(exchange: Exchange, size: number): boolean {
    const memory = this.#ofDevice?.take(size);
    if (memory === undefined) return false;
    exchange.standAlone(memory, size);
    exchange.isOfDevice = true;
    exchange.placeData();
    return true;
  }

  /** Memory for an answer without data. */
  takeHeader(exchange: Exchange): boolean {
    return this.#takeAnswer(exchange, HEADER_SIZE);
  }

  #takeAnswer(exchange: Exchange, size: number): boolean {
    const piece = (size + 3) & ~3;
    const page = piece <= PIECE_MAX ? this.#pages.take(piece) : undefined;
    if (page !== undefined) {
      exchange.standIn(page, piece);
      return true;
    }
    const own = this.#pool.take(size);
    if (own === undefined) return false;
    exchange.standAlone(own, size);
    return true;
  }

  /** Counts the memory of a transfer whose data is lent: it is there if it is asked for. False as for `take`. */
  reserve(exchange: Exchange, length: number): boolean {
    const reserved = this.#pool.reserve(length);
    exchange.reserved = reserved;
    return reserved !== NONE;
  }

  /** The memory that was counted: the data cannot stay where it arrived. */
  takeReserved(exchange: Exchange): void {
    exchange.keepApart(this.#pool.fetch(exchange.reserved));
    exchange.reserved = 0;
  }

  give(exchange: Exchange): void {
    const { page, reserved } = exchange;
    if (exchange.size > 0) {
      if (page !== undefined) this.#pages.give(page);
      else if (exchange.isOfDevice) this.#ofDevice!.give(exchange.memory);
      else this.#pool.give(exchange.memory);
      exchange.isOfDevice = false;
      exchange.size = 0;
    }
    if (reserved > 0) {
      this.#pool.unreserve(reserved);
      exchange.reserved = 0;
    }
    if (exchange.apart !== undefined) {
      this.#pool.give(exchange.apart);
      exchange.leaveApart();
    }
  }
}
