import type { Change } from "../usb/chapter9.ts";
import { answerIn } from "../usb/control-data.ts";
import { DescriptorType } from "../usb/descriptors.ts";
import type { Cancellable } from "../usb/loop.ts";
import { Setup } from "../usb/setup.ts";
import { frameMs, Speed } from "../usb/speed.ts";
import { TransferStatus, type Urb } from "../usb/urb.ts";
import { Gadget } from "./gadget.ts";
import { HidProtocol, HidRequest, IDLE_UNIT_MS, INPUT_REPORT, REPORTS_IN } from "./hid.ts";
import { type GadgetIdentity, MANUFACTURER, RELEASE } from "./identity.ts";
import {
  BOOT_REPORT_LENGTH,
  HID_DESCRIPTOR,
  mouseConfigurations,
  REPORT_DESCRIPTOR,
  REPORT_LENGTH,
} from "./mouse-descriptors.ts";

/** Bits of the first byte of a report. */
export const MouseButton = { left: 0x01, right: 0x02, middle: 0x04 } as const;

/** What the host is still to be told: a way to go with these buttons down. */
interface Stroke {
  readonly buttons: number;
  dx: number;
  dy: number;
  wheel: number;
}

/** Changes of buttons that wait for the host. Ways add up and need no bound. */
const STROKES_MAX = 4096;
/** The farthest that one report goes. */
const STEP = 127;

/** A mouse with three buttons and a wheel, in the boot protocol (HID 1.11 §B.2) and beyond. */
export class Mouse extends Gadget {
  #strokes: Stroke[] = [];
  /** Buttons that are down after all strokes, and those in the last report. */
  #buttons = 0;
  #toldButtons = 0;
  #protocol: number = HidProtocol.report;
  #idle = 0;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #wakeUp: Cancellable | undefined;
  #wasConfigured = false;

  constructor(options: GadgetIdentity = {}) {
    super(
      {
        vendorId: options.vendorId ?? 0x1209,
        productId: options.productId ?? 0x0001,
        release: RELEASE,
        deviceClass: 0,
        manufacturer: MANUFACTURER,
        product: "Mouse",
        serial: options.serial ?? "",
        strings: [],
        configurations: mouseConfigurations,
      },
      options.speed ?? Speed.full,
    );
  }

  /** Moves right and down by whole steps. A long way takes several reports. */
  move(dx: number, dy: number): void {
    this.#go(Math.trunc(dx), Math.trunc(dy), 0);
  }

  /** Turns the wheel; up, away from the user, is positive. */
  wheel(notches: number): void {
    this.#go(0, 0, Math.trunc(notches));
  }

  /** Presses buttons, of `MouseButton`. False: too much waits for the host, nothing was done. */
  press(buttons: number): boolean {
    return this.#setButtons(this.#buttons | buttons);
  }

  release(buttons: number): boolean {
    return this.#setButtons(this.#buttons & ~buttons);
  }

  /** Presses and releases. */
  click(button: number = MouseButton.left): boolean {
    if (this.#strokes.length + 2 > STROKES_MAX) return false;
    return this.press(button) && this.release(button);
  }

  protected override transfer(urb: Urb): TransferStatus | undefined {
    const stroke = this.#strokes[0];
    if (stroke === undefined) return undefined;
    const loop = this.loop!;
    const interval = this.endpoints.find(REPORTS_IN)!.interval * frameMs(this.speed);
    const leftMs = this.#readAtMs + interval - loop.now();
    if (leftMs > 0) {
      this.#wakeUp?.cancel();
      this.#wakeUp = loop.after(leftMs, () => this.ready(REPORTS_IN));
      return undefined;
    }
    this.#readAtMs = loop.now();
    const report = this.#step(stroke);
    urb.actualLength = Math.min(urb.length, report.length);
    urb.buffer.set(report.subarray(0, urb.actualLength), urb.offset);
    return urb.length < report.length ? TransferStatus.overflow : TransferStatus.ok;
  }

  protected override control(urb: Urb): TransferStatus {
    const { setup } = urb;
    const wValue = Setup.wValue(setup, 0);
    if (this.endpoints.alternate(Setup.wIndex(setup, 0)) === undefined) return TransferStatus.stall;
    switch ((Setup.bmRequestType(setup, 0) << 8) | Setup.bRequest(setup, 0)) {
      case HidRequest.GET_INTERFACE_DESCRIPTOR:
        if (wValue === DescriptorType.HID << 8) return answerIn(urb, HID_DESCRIPTOR);
        if (wValue === DescriptorType.HID_REPORT << 8) return answerIn(urb, REPORT_DESCRIPTOR);
        return TransferStatus.stall;
      case HidRequest.GET_REPORT:
        if (wValue !== INPUT_REPORT) return TransferStatus.stall;
        return answerIn(urb, this.#report(this.#toldButtons, 0, 0, 0));
      case HidRequest.GET_IDLE:
        return answerIn(urb, Uint8Array.of(this.#idle / IDLE_UNIT_MS));
      case HidRequest.SET_IDLE:
        // A mouse that rests has nothing to repeat: the rate is kept and nothing follows from it.
        if ((wValue & 0xff) !== 0) return TransferStatus.stall;
        this.#idle = (wValue >> 8) * IDLE_UNIT_MS;
        return TransferStatus.ok;
      case HidRequest.GET_PROTOCOL:
        return answerIn(urb, Uint8Array.of(this.#protocol));
      case HidRequest.SET_PROTOCOL:
        if (wValue > HidProtocol.report) return TransferStatus.stall;
        this.#protocol = wValue;
        return TransferStatus.ok;
      default:
        return TransferStatus.stall;
    }
  }

  protected override changed(change: Change): void {
    if (change.what !== "configuration") return;
    this.#wakeUp?.cancel();
    this.#readAtMs = Number.NEGATIVE_INFINITY;
    this.#protocol = HidProtocol.report;
    this.#idle = 0;
    this.#toldButtons = 0;
    // What was meant for one host must not go on in the next one.
    if (this.#wasConfigured && this.configuration === 0) {
      this.#strokes = [];
      this.#buttons = 0;
    }
    this.#wasConfigured = this.configuration !== 0;
  }

  #go(dx: number, dy: number, wheel: number): void {
    if (dx === 0 && dy === 0 && wheel === 0) return;
    const last = this.#strokes.at(-1);
    if (last === undefined) {
      this.#strokes.push({ buttons: this.#buttons, dx, dy, wheel });
    } else {
      last.dx += dx;
      last.dy += dy;
      last.wheel += wheel;
    }
    this.ready(REPORTS_IN);
  }

  #setButtons(buttons: number): boolean {
    if (this.#strokes.length >= STROKES_MAX) return false;
    this.#buttons = buttons & 0x07;
    this.#strokes.push({ buttons: this.#buttons, dx: 0, dy: 0, wheel: 0 });
    this.ready(REPORTS_IN);
    return true;
  }

  /** The next report of a stroke, which ends when all of its way is told. */
  #step(stroke: Stroke): Uint8Array {
    const dx = clamp(stroke.dx);
    const dy = clamp(stroke.dy);
    const wheel = clamp(stroke.wheel);
    stroke.dx -= dx;
    stroke.dy -= dy;
    stroke.wheel -= wheel;
    if (stroke.dx === 0 && stroke.dy === 0 && stroke.wheel === 0) this.#strokes.shift();
    this.#toldButtons = stroke.buttons;
    return this.#report(stroke.buttons, dx, dy, wheel);
  }

  #report(buttons: number, dx: number, dy: number, wheel: number): Uint8Array {
    const report = Uint8Array.of(buttons, dx, dy, wheel);
    return report.subarray(0, this.#protocol === HidProtocol.boot ? BOOT_REPORT_LENGTH : REPORT_LENGTH);
  }
}

function clamp(way: number): number {
  return Math.max(-STEP, Math.min(STEP, way));
}
