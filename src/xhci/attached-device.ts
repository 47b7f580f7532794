import type { UsbDevice, UsbHost } from "../usb/device.ts";
import { Feature, Recipient, Setup, StandardRequest } from "../usb/setup.ts";
import { TransferStatus, TransferType, type Urb } from "../usb/urb.ts";
import type { Chip } from "./chip.ts";
import type { Slot } from "./slot.ts";
import type { Transfer } from "./transfer.ts";
import type { Flushed } from "./turns.ts";

/** Suspend options, in the high byte of wIndex. */
const FUNCTION_REMOTE_WAKE = 0x0200;

/** What a device tells its port. */
export interface DevicePort {
  /** It was unplugged at its source. */
  left(): void;
  /** It has something to say while it is suspended. */
  woken(): void;
}

/** A device at a port, from when it was opened until it is closed. */
export class AttachedDevice implements UsbHost, Flushed {
  readonly device: UsbDevice;
  readonly #chip: Chip;
  readonly #port: DevicePort;
  /** Where its endpoints are, once it has an address. */
  slot: Slot | undefined;
  #isGone = false;
  #isClosed = false;
  /** Something was asked of it since its last reset that a reset would undo. */
  #isUsed = true;
  /** Who waits for the reset that is under way. */
  readonly #resets: ((isThere: boolean) => void)[] = [];
  /** The driver has asked it to signal while it is suspended. */
  #signals = false;
  isUnflushed = false;

  constructor(device: UsbDevice, chip: Chip, port: DevicePort) {
    this.device = device;
    this.#chip = chip;
    this.#port = port;
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
    this.#chip.submitted++;
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
    this.#signals = false;
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

  suspend(): void {
    if (this.#signals) this.slot?.suspend();
  }

  resume(): void {
    this.slot?.resume();
  }

  woken(): void {
    this.#port.woken();
  }

  complete(urb: Urb): void {
    if (urb.type === TransferType.control && urb.status === TransferStatus.ok) this.#follow(urb.setup);
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
    this.#port.left();
  }

  /** Remote wake-up: a feature of the device, and from super speed on of its functions (USB 3.2 §9.4.9). */
  #follow(setup: Uint8Array): void {
    const bRequest = Setup.bRequest(setup, 0);
    const enables = bRequest === StandardRequest.SET_FEATURE;
    if (!enables && bRequest !== StandardRequest.CLEAR_FEATURE) return;
    const recipient = Setup.bmRequestType(setup, 0);
    const feature = Setup.wValue(setup, 0);
    if (recipient === Recipient.device && feature === Feature.DEVICE_REMOTE_WAKEUP) {
      this.#signals = enables;
    } else if (recipient === Recipient.interface && feature === Feature.FUNCTION_SUSPEND) {
      this.#signals = enables && (Setup.wIndex(setup, 0) & FUNCTION_REMOTE_WAKE) !== 0;
    }
  }
}
