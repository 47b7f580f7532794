import { Speed } from "../usb/speed.ts";
import type { AttachedDevice } from "./attached-device.ts";
import type { Chip } from "./chip.ts";
import { CompletionCode } from "./completion-code.ts";
import { LinkState, PORTSC, PORTSC_CHANGES, PORTSC_WAKES, USBSTS } from "./registers.ts";
import { TrbType } from "./trb.ts";

const PLS_SHIFT = 5;
const PLS_MASK = 15;
const SPEED_SHIFT = 10;

/** Port speed IDs where a protocol defines none of its own (xHCI §7.2.2.1.1). */
function speedId(speed: Speed): number {
  if (speed === Speed.low) return 2;
  if (speed === Speed.full) return 1;
  return speed === Speed.high ? 3 : 4;
}

/** Offsets in the registers of a port. */
const PortRegister = { PORTSC: 0x0, PORTPMSC: 0x4 } as const;

/** One port of the root hub (xHCI §4.19). */
export class Port {
  /** From 1. */
  readonly number: number;
  readonly isUsb3: boolean;
  readonly #chip: Chip;
  #device: AttachedDevice | undefined;
  #isEnabled = false;
  #isResetting = false;
  #link: number = LinkState.rxDetect;
  #changes = 0;
  #wakes = 0;
  #powerManagement = 0;
  /** Counts what ends a reset under way. */
  #life = 0;

  constructor(number: number, isUsb3: boolean, chip: Chip) {
    this.number = number;
    this.isUsb3 = isUsb3;
    this.#chip = chip;
  }

  get device(): AttachedDevice | undefined {
    return this.#device;
  }

  /** Whether a device of this speed belongs here: by what its host's bus runs at, not by what the device could do. */
  fits(speed: Speed): boolean {
    return this.isUsb3 === speed >= Speed.super;
  }

  attach(device: AttachedDevice): void {
    this.#device = device;
    this.#connect();
    this.#change(PORTSC.CSC);
  }

  detach(): void {
    this.#device = undefined;
    this.#life++;
    this.#isEnabled = false;
    this.#isResetting = false;
    this.#link = LinkState.rxDetect;
    this.#change(PORTSC.CSC);
  }

  /** The controller was reset: what is plugged in is news again. */
  reset(): void {
    this.#life++;
    this.#isEnabled = false;
    this.#isResetting = false;
    this.#link = LinkState.rxDetect;
    this.#wakes = 0;
    this.#powerManagement = 0;
    this.#changes = 0;
    if (this.#device === undefined) return;
    this.#connect();
    this.#changes = PORTSC.CSC;
  }

  /** The controller runs: tells of what has changed before. */
  announce(): void {
    if (this.#changes !== 0) this.#tell();
  }

  /** The device signals: its driver is to resume it (xHCI §4.15.2). */
  wake(): void {
    if (this.#link !== LinkState.U3) return;
    this.#link = LinkState.resume;
    this.#change(PORTSC.PLC);
  }

  read(register: number): number {
    if (register === PortRegister.PORTPMSC) return this.#powerManagement;
    if (register !== PortRegister.PORTSC) return 0;
    let value = PORTSC.PP | (this.#link << PLS_SHIFT) | this.#changes | this.#wakes;
    if (this.#device !== undefined) {
      value |= PORTSC.CCS | (speedId(this.#device.device.speed) << SPEED_SHIFT);
    }
    if (this.#isEnabled) value |= PORTSC.PED;
    if (this.#isResetting) value |= PORTSC.PR;
    return value;
  }

  write(register: number, value: number): void {
    if (register === PortRegister.PORTPMSC) this.#powerManagement = value;
    if (register !== PortRegister.PORTSC) return;
    this.#changes &= ~(value & PORTSC_CHANGES);
    this.#wakes = value & PORTSC_WAKES;
    const isWarm = this.isUsb3 && (value & PORTSC.WPR) !== 0;
    if (isWarm || (value & PORTSC.PR) !== 0) this.#resetDevice(isWarm);
    else if ((value & PORTSC.PED) !== 0) this.#disable();
    else if ((value & PORTSC.LWS) !== 0) this.#moveLink((value >> PLS_SHIFT) & PLS_MASK);
  }

  /** The link of a super speed device is trained by itself; the driver enables other ports by a reset. */
  #connect(): void {
    this.#isEnabled = this.isUsb3;
    this.#link = this.isUsb3 ? LinkState.U0 : LinkState.polling;
  }

  #resetDevice(isWarm: boolean): void {
    const device = this.#device;
    if (device === undefined || this.#isResetting) return;
    this.#isResetting = true;
    this.#isEnabled = false;
    device.resume();
    const life = ++this.#life;
    device.reset((isThere) => {
      if (life !== this.#life) return;
      this.#isResetting = false;
      this.#isEnabled = isThere;
      this.#link = isThere ? LinkState.U0 : LinkState.rxDetect;
      this.#change(isWarm ? PORTSC.PRC | PORTSC.WRC : PORTSC.PRC);
    });
  }

  #disable(): void {
    if (!this.#isEnabled) return;
    this.#isEnabled = false;
    this.#link = this.isUsb3 ? LinkState.disabled : LinkState.polling;
  }

  /** What a driver may ask the link for (xHCI §4.19.1); anything else changes nothing. */
  #moveLink(to: number): void {
    const from = this.#link;
    if (this.#device === undefined || this.#isResetting) return;
    if (to === LinkState.rxDetect && from === LinkState.disabled) {
      this.#connect();
      this.#change(PORTSC.CSC);
    }
    if (!this.#isEnabled) return;
    const isSuspended = from === LinkState.U3 || from === LinkState.resume;
    if (to === LinkState.U3 && from <= LinkState.U2) {
      this.#link = LinkState.U3;
      this.#device.suspend();
    } else if (to === LinkState.resume && from === LinkState.U3 && !this.isUsb3) {
      this.#link = LinkState.resume;
    } else if (to === LinkState.U0 && isSuspended) {
      this.#link = LinkState.U0;
      this.#device.resume();
      this.#change(PORTSC.PLC);
    } else if (to === LinkState.disabled && this.isUsb3) {
      this.#disable();
    }
  }

  #change(bits: number): void {
    const isNews = this.#changes === 0;
    this.#changes |= bits;
    this.#chip.usbsts |= USBSTS.PCD;
    // One event until the driver has cleared all changes (xHCI §4.19.2).
    if (isNews) this.#tell();
  }

  #tell(): void {
    this.#chip.usbsts |= USBSTS.PCD;
    const status = CompletionCode.SUCCESS << 24;
    this.#chip.post(0, this.number << 24, 0, status, TrbType.PORT_STATUS_CHANGE << 10);
  }
}
