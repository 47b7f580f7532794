import type { Change } from "../usb/chapter9.ts";
import { answerIn, takeOut } from "../usb/control-data.ts";
import { DescriptorType } from "../usb/descriptors.ts";
import type { Cancellable } from "../usb/loop.ts";
import { Setup } from "../usb/setup.ts";
import { frameMs, Speed } from "../usb/speed.ts";
import { TransferStatus, type Urb } from "../usb/urb.ts";
import { Gadget } from "./gadget.ts";
import { HidRequest, IDLE_UNIT_MS, INPUT_REPORT, OUTPUT_REPORT, REPORTS_IN } from "./hid.ts";
import { type GadgetIdentity, MANUFACTURER, RELEASE } from "./identity.ts";
import {
  HID_DESCRIPTOR,
  keyboardConfigurations,
  REPORT_DESCRIPTOR,
  REPORT_LENGTH,
} from "./keyboard-descriptors.ts";
import { type Key, US_LAYOUT } from "./us-layout.ts";

export interface KeyboardOptions extends GadgetIdentity {
  /** Typed once, as soon as a host reads. The constructor throws if `refuseText` refuses it. */
  readonly text?: string;
  /** The host has set the LEDs: num lock in bit 0, caps lock in bit 1, scroll lock in bit 2. */
  readonly onLeds?: (leds: number) => void;
}

/** Why nothing was typed. */
export interface TypingRefused {
  readonly reason: "unknown-character" | "queue-full";
  readonly message: string;
}

/** Key strokes that wait for the host; a few pages of text. */
const STROKES_MAX = 8192;

const RELEASED: Key = { usage: 0, modifiers: 0 };

/** A US keyboard in the boot protocol (HID 1.11 §B.1). Each read of the host takes one report. */
export class Keyboard extends Gadget {
  readonly #onLeds: ((leds: number) => void) | undefined;
  /** What the host is still to be told: keys pressed, or RELEASED. */
  #reports: Key[] = [];
  #greeting: string | undefined;
  /** The last report that the host has read. */
  #current = RELEASED;
  #leds = 0;
  #protocol = 1;
  #idleMs = 0;
  /** When the host last read a report, or set the idle rate. */
  #readAtMs = Number.NEGATIVE_INFINITY;
  #wakeUp: Cancellable | undefined;
  #wasConfigured = false;

  constructor(options: KeyboardOptions = {}) {
    super(
      {
        // The test device of pid.codes: free to use where nothing is sold.
        vendorId: options.vendorId ?? 0x1209,
        productId: options.productId ?? 0x0001,
        release: RELEASE,
        deviceClass: 0,
        manufacturer: MANUFACTURER,
        product: "Keyboard",
        serial: options.serial ?? "",
        strings: [],
        configurations: keyboardConfigurations,
      },
      options.speed ?? Speed.full,
    );
    const refused = refuseText(options.text ?? "");
    if (refused !== undefined) throw new RangeError(refused.message);
    this.#greeting = options.text;
    this.#onLeds = options.onLeds;
  }

  /** Types a text on the US layout. If it cannot be typed as a whole, nothing is typed. */
  type(text: string): TypingRefused | undefined {
    const refused = refuseText(text, this.#room());
    if (refused !== undefined) return refused;
    for (const character of text) this.#stroke(US_LAYOUT.get(character)!);
    this.ready(REPORTS_IN);
    return undefined;
  }

  /** Presses and releases one key together with modifiers. */
  press(usage: number, modifiers = 0): TypingRefused | undefined {
    const refused = refuseText(" ", this.#room());
    if (refused !== undefined) return refused;
    this.#stroke({ usage, modifiers });
    this.ready(REPORTS_IN);
    return undefined;
  }

  protected override transfer(urb: Urb): TransferStatus | undefined {
    const loop = this.loop!;
    if (this.#greeting !== undefined) {
      const text = this.#greeting;
      this.#greeting = undefined;
      this.type(text);
    }
    const leftMs = this.#dueMs() - loop.now();
    if (leftMs > 0) {
      this.#wakeUp?.cancel();
      if (leftMs !== Number.POSITIVE_INFINITY) {
        this.#wakeUp = loop.after(leftMs, () => this.ready(REPORTS_IN));
      }
      return undefined;
    }
    this.#current = this.#reports.shift() ?? this.#current;
    this.#readAtMs = loop.now();
    urb.actualLength = Math.min(urb.length, REPORT_LENGTH);
    urb.buffer.set(encodeReport(this.#current).subarray(0, urb.actualLength), urb.offset);
    // The device sends its report whole; a host that has less room sees babble.
    return urb.length < REPORT_LENGTH ? TransferStatus.overflow : TransferStatus.ok;
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
        if (wValue === INPUT_REPORT) return answerIn(urb, encodeReport(this.#current));
        if (wValue === OUTPUT_REPORT) return answerIn(urb, Uint8Array.of(this.#leds));
        return TransferStatus.stall;
      case HidRequest.SET_REPORT:
        return wValue === OUTPUT_REPORT ? this.#setLeds(urb) : TransferStatus.stall;
      case HidRequest.GET_IDLE:
        return answerIn(urb, Uint8Array.of(this.#idleMs / IDLE_UNIT_MS));
      case HidRequest.SET_IDLE:
        if ((wValue & 0xff) !== 0) return TransferStatus.stall;
        this.#setIdle((wValue >> 8) * IDLE_UNIT_MS);
        return TransferStatus.ok;
      case HidRequest.GET_PROTOCOL:
        return answerIn(urb, Uint8Array.of(this.#protocol));
      case HidRequest.SET_PROTOCOL:
        // Boot (0) and report (1) protocol have the same report here.
        if (wValue > 1) return TransferStatus.stall;
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
    this.#idleMs = 0;
    this.#protocol = 1;
    this.#current = RELEASED;
    // Text meant for one host must not go on in the next one.
    if (this.#wasConfigured && this.configuration === 0) this.#reports = [];
    this.#wasConfigured = this.configuration !== 0;
  }

  /**
   * When the next read may be answered. One report an interval, as on a bus: a guest that is typed at faster
   * loses keys between its driver and its programs.
   */
  #dueMs(): number {
    if (this.#reports.length > 0) {
      return this.#readAtMs + this.endpoints.find(REPORTS_IN)!.interval * frameMs(this.speed);
    }
    return this.#idleMs > 0 ? this.#readAtMs + this.#idleMs : Number.POSITIVE_INFINITY;
  }

  #room(): number {
    return Math.floor(STROKES_MAX - this.#reports.length / 2);
  }

  #stroke(key: Key): void {
    this.#reports.push(key, RELEASED);
  }

  #setLeds(urb: Urb): TransferStatus {
    const data = takeOut(urb);
    if (data.length !== 1) return TransferStatus.stall;
    this.#leds = data[0]!;
    this.#onLeds?.(this.#leds);
    return TransferStatus.ok;
  }

  #setIdle(idleMs: number): void {
    this.#idleMs = idleMs;
    this.#readAtMs = this.loop!.now();
    this.ready(REPORTS_IN);
  }
}

/** Why a text cannot be typed with room for `strokes` more keys. */
export function refuseText(text: string, strokes: number = STROKES_MAX): TypingRefused | undefined {
  let count = 0;
  for (const character of text) {
    count += 1;
    if (US_LAYOUT.has(character)) continue;
    const code = character.codePointAt(0)!.toString(16).padStart(4, "0");
    return {
      reason: "unknown-character",
      message: `"${character}" (U+${code}) is not on the US keyboard layout; type ASCII text, tab or newline`,
    };
  }
  if (count <= strokes) return undefined;
  return {
    reason: "queue-full",
    message: `${count} keys do not fit: ${strokes} of ${STROKES_MAX} are free; wait until the host has read more`,
  };
}

function encodeReport({ usage, modifiers }: Key): Uint8Array {
  const bytes = new Uint8Array(REPORT_LENGTH);
  bytes[0] = modifiers;
  bytes[2] = usage;
  return bytes;
}
