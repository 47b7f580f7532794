import type { UsbDevice, UsbHost } from "../usb/device.ts";
import { TransferStatus, TransferType, type Urb } from "../usb/urb.ts";
import type { Chip } from "./chip.ts";
import type { Transfer } from "./transfer.ts";
import type { Flushed } from "./turns.ts";

/** A device at a port, from when it was opened until it is closed. */
export class AttachedDevice implements UsbHost, Flushed {
  readonly device: UsbDevice;
  readonly #chip: Chip;
  readonly #left: () => void;
  #isGone = false;
  #isClosed = false;
  /** Something was asked of it since its last reset that a reset would undo. */
  #isUsed = true;
  /** Who waits for the reset that is under way. */
  readonly #resets: ((isThere: boolean) => void)[] = [];
  isUnflushed = false;

  /** `left`: it was unplugged at its source. */
  constructor(device: UsbDevice, chip: Chip, left: () => void) {
    this.device = device;
    this.#chip = chip;
    this.#left = left;
  }

  submit(transfer: Transfer): void {
    transfer.device = this;
    const { urb } = transfer;
    if (this.#isGone) {
      urb.status = TransferStatus.disconnected;
      transfer.hasEnded = true;
      return;
    }
    // Reading a descriptor changes nothing; drivers do that between two resets.
    if (urb.type !== TransferType.control || (urb.setup[0]! & 0x80) === 0) this.#isUsed = true;
    this.device.submit(urb);
    this.#chip.turns.addFlush(this);
  }

  cancel(transfer: Transfer): void {
    if (this.#isGone) return;
    this.device.cancel(transfer.urb);
    this.#chip.turns.addFlush(this);
  }

  flush(): void {
    if (!this.#isClosed) this.device.flush();
  }

  /** Back to the state of a device that was just plugged in. */
  reset(done: (isThere: boolean) => void): void {
    if (this.#isGone || !(this.#isUsed || this.#resets.length > 0)) {
      done(!this.#isGone);
      return;
    }
    this.#resets.push(done);
    if (this.#resets.length > 1) return;
    this.#isUsed = false;
    this.device.reset((status) => {
      const isThere = status !== TransferStatus.disconnected && !this.#isGone;
      for (const told of this.#resets.splice(0)) told(isThere);
    });
  }

  /** Gives the device back. */
  close(done: () => void): void {
    this.#isGone = true;
    this.#isClosed = true;
    this.device.close(done);
  }

  complete(urb: Urb): void {
    const transfer = this.#chip.memory.find(urb.tag);
    const { endpoint } = transfer;
    if (endpoint === undefined) {
      this.#chip.memory.release(transfer);
      return;
    }
    if (this.#isGone && urb.status === TransferStatus.cancelled) urb.status = TransferStatus.disconnected;
    endpoint.ended(transfer);
  }

  unplugged(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#left();
  }
}
