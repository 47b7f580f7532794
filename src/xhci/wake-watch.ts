import { TransferStatus, UrbFlag } from "../usb/urb.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Transfer } from "./transfer.ts";

/**
 * Reads an interrupt endpoint while its port is suspended. A device tells by a wake-up signal that it has something to say;
 * a source only knows transfers, so data that comes is that signal, and is kept for the driver's next TD.
 */
export class WakeWatch {
  readonly #endpoint: Endpoint;
  readonly #length: number;
  #transfer: Transfer | undefined;
  #kept: Uint8Array | undefined;

  /** `length`: the most that comes in one interval. */
  constructor(endpoint: Endpoint, length: number) {
    this.#endpoint = endpoint;
    this.#length = length;
  }

  /** It still has the endpoint. */
  get isBusy(): boolean {
    return this.#transfer !== undefined;
  }

  begin(): void {
    const { chip, device } = this.#endpoint.slot;
    if (this.#transfer !== undefined || this.#kept !== undefined || device === undefined) return;
    const transfer = chip.memory.take(this.#endpoint);
    if (transfer === undefined) return;
    transfer.begin(this.#endpoint);
    if (!chip.memory.provide(transfer, this.#length, device.device, this.#endpoint)) {
      chip.memory.putBack(transfer);
      return;
    }
    const { urb } = transfer;
    urb.type = this.#endpoint.type;
    urb.endpoint = this.#endpoint.address;
    urb.interval = this.#endpoint.intervalOfBus;
    urb.flags = UrbFlag.mayLend;
    urb.buffer = transfer.buffer;
    urb.length = this.#length;
    this.#transfer = transfer;
    device.submit(transfer);
    if (transfer.hasEnded) this.ended(transfer);
  }

  /** The driver takes over: what has come by now is for its next TD. */
  end(): void {
    this.#transfer?.device?.cancel(this.#transfer);
  }

  /** False if the transfer was none of the watch. */
  ended(transfer: Transfer): boolean {
    if (transfer !== this.#transfer) return false;
    this.#transfer = undefined;
    const { urb } = transfer;
    if (
      urb.actualLength > 0 &&
      (urb.status === TransferStatus.ok || urb.status === TransferStatus.cancelled)
    ) {
      this.#kept = urb.buffer.slice(urb.offset, urb.offset + Math.min(urb.actualLength, this.#length));
    }
    this.#endpoint.slot.chip.memory.release(transfer);
    return true;
  }

  /** There is data that the driver has not seen. */
  get hasData(): boolean {
    return this.#kept !== undefined;
  }

  /** Answers a transfer of the driver with what was kept. False if there is nothing. */
  answer({ urb }: Transfer): boolean {
    const kept = this.#kept;
    if (kept === undefined) return false;
    this.#kept = undefined;
    const length = Math.min(kept.length, urb.length);
    urb.buffer.set(kept.subarray(0, length), urb.offset);
    urb.actualLength = length;
    urb.status = kept.length > urb.length ? TransferStatus.overflow : TransferStatus.ok;
    return true;
  }

  /** The endpoint is given up. */
  abandon(): void {
    this.#kept = undefined;
    const transfer = this.#transfer;
    this.#transfer = undefined;
    if (transfer === undefined) return;
    transfer.endpoint = undefined;
    transfer.device!.cancel(transfer);
  }
}
