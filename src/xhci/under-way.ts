import { Fifo } from "../usb/fifo.ts";
import type { Transfer } from "./transfer.ts";
import type { TransferMemory } from "./transfer-memory.ts";

/** The transfers of an endpoint that were taken from its ring and not yet told of, in the order of the ring. */
export class UnderWay {
  readonly #memory: TransferMemory;
  readonly #transfers = new Fifo<Transfer>();

  constructor(memory: TransferMemory) {
    this.#memory = memory;
  }

  get count(): number {
    return this.#transfers.length;
  }

  get first(): Transfer | undefined {
    return this.#transfers.first;
  }

  get haveAllEnded(): boolean {
    for (let i = 0; i < this.count; i++) if (!this.#transfers.at(i)!.hasEnded) return false;
    return true;
  }

  push(transfer: Transfer): void {
    this.#transfers.push(transfer);
  }

  shift(): Transfer | undefined {
    return this.#transfers.shift();
  }

  /** Asks the devices for all that has not ended; the youngest first, or one would move data while an older one goes. */
  cancel(): void {
    for (let i = this.count - 1; i >= 0; i--) {
      const transfer = this.#transfers.at(i)!;
      if (!transfer.hasEnded) transfer.device!.cancel(transfer);
    }
  }

  /** Lets all of them go untold: what has not ended comes back to nobody. */
  giveUp(): void {
    for (let transfer = this.#transfers.pop(); transfer !== undefined; transfer = this.#transfers.pop()) {
      transfer.endpoint = undefined;
      if (transfer.hasEnded) this.#memory.release(transfer);
      else transfer.device!.cancel(transfer);
    }
  }
}
