import type { UsbDevice } from "../usb/device.ts";
import { HeapPool } from "../usb/heap-pool.ts";
import { BYTES_IN_FLIGHT, TRANSFERS_IN_FLIGHT, TRBS_IN_FLIGHT } from "./limits.ts";
import { Transfer } from "./transfer.ts";
import type { Turns, Walker } from "./turns.ts";

/** All transfers of a controller and the memory of their data, within its limits. Rings wait for what is not there. */
export class TransferMemory {
  readonly #turns: Turns;
  readonly #pool = new HeapPool(BYTES_IN_FLIGHT);
  /** By tag. */
  readonly #transfers: Transfer[] = [];
  readonly #free: Transfer[] = [];
  #trbs = 0;
  readonly #waiting = new Set<Walker>();

  constructor(turns: Turns) {
    this.#turns = turns;
  }

  find(tag: number): Transfer {
    return this.#transfers[tag]!;
  }

  get inFlight(): number {
    return this.#transfers.length - this.#free.length;
  }

  /** Bytes of ordinary memory that are out. */
  get bytes(): number {
    return this.#pool.taken;
  }

  /** A blank transfer, or nothing while too many are under way: `walker` is walked again when that is over. */
  take(walker: Walker): Transfer | undefined {
    const transfer = this.#free.pop();
    if (transfer !== undefined) return transfer;
    if (this.#transfers.length === TRANSFERS_IN_FLIGHT) {
      this.#waiting.add(walker);
      return undefined;
    }
    const another = new Transfer(this.#transfers.length);
    this.#transfers.push(another);
    return another;
  }

  /** Memory for `length` bytes of a transfer that has its TRBs. False likewise; the transfer is then to be put back. */
  provide(transfer: Transfer, length: number, device: UsbDevice | undefined, walker: Walker): boolean {
    if (this.#trbs + transfer.count > TRBS_IN_FLIGHT) {
      this.#waiting.add(walker);
      return false;
    }
    if (length > 0) {
      const ofDevice = device?.memory?.take(length);
      const buffer = ofDevice ?? this.#pool.take(length);
      if (buffer === undefined) {
        this.#waiting.add(walker);
        return false;
      }
      transfer.buffer = buffer;
      transfer.memoryOf = ofDevice === undefined ? undefined : device?.memory;
    }
    transfer.heldTrbs = transfer.count;
    this.#trbs += transfer.count;
    return true;
  }

  /** Nothing was provided for it. */
  putBack(transfer: Transfer): void {
    transfer.forget();
    this.#free.push(transfer);
  }

  /** The device is through with it, and its events are written. */
  release(transfer: Transfer): void {
    if (transfer.buffer.length > 0) (transfer.memoryOf ?? this.#pool).give(transfer.buffer);
    this.#trbs -= transfer.heldTrbs;
    this.putBack(transfer);
    for (const walker of this.#waiting) this.#turns.add(walker);
    this.#waiting.clear();
  }
}
