import type { Change } from "../usb/chapter9.ts";
import { answerIn, takeOut } from "../usb/control-data.ts";
import type { Endpoint } from "../usb/endpoint-map.ts";
import { Setup } from "../usb/setup.ts";
import { Speed } from "../usb/speed.ts";
import { isIn, TransferStatus, type Urb } from "../usb/urb.ts";
import { Gadget } from "./gadget.ts";
import { type GadgetIdentity, MANUFACTURER, RELEASE } from "./identity.ts";
import { LoopbackBuffer } from "./loopback-buffer.ts";
import { type Pattern, PatternData } from "./pattern.ts";
import { LOOPBACK, zeroConfigurations } from "./zero-descriptors.ts";

export interface ZeroOptions extends GadgetIdentity {
  /** What the source sends and the sink accepts. Default 0. */
  readonly pattern?: Pattern;
}

/** bmRequestType and bRequest of the control tests of Intel's USB 2.0 test device. */
const CONTROL_WRITE = 0x405b;
const CONTROL_READ = 0xc05c;
/** Room of Linux' gadget zero; longer requests stall. */
const CONTROL_BUFFER = 4096;

const BULK_IN = 0x81;
const BULK_OUT = 0x01;

// What is imported is looked up at each use; a constant of its own module is part of the compiled code.
const { ok } = TransferStatus;

/**
 * Linux' "gadget zero", the device that the kernel's usbtest module tests host controllers with.
 *
 * Configuration 3 is a source of pattern data (IN) and a sink for it (OUT) at every transfer type; see
 * `zeroConfigurations`. A bulk or interrupt OUT transfer with other data than the pattern is accepted, and
 * then its endpoint halts, as in Linux, also for zeros. Isochronous OUT data is not looked at: usbtest
 * sends zeros there whatever the pattern. Configuration 2 sends bulk OUT data back.
 */
export class Zero extends Gadget {
  readonly takesLentData = true;
  readonly #data: PatternData;
  readonly #loopback = new LoopbackBuffer();
  readonly #control = new Uint8Array(CONTROL_BUFFER);

  constructor(options: ZeroOptions = {}) {
    const speed = options.speed ?? Speed.high;
    super(
      {
        vendorId: options.vendorId ?? 0x0525,
        productId: options.productId ?? 0xa4a0,
        release: RELEASE,
        deviceClass: 0xff,
        manufacturer: MANUFACTURER,
        product: "Gadget Zero",
        serial: options.serial ?? "",
        strings: [],
        configurations: zeroConfigurations,
      },
      speed,
    );
    this.#data = new PatternData(options.pattern ?? 0);
  }

  protected override transfer(urb: Urb, { maxPacketSize }: Endpoint): TransferStatus | undefined {
    if (this.configuration === LOOPBACK) return this.#loop(urb);
    if (isIn(urb.endpoint)) {
      this.#data.give(urb, maxPacketSize);
    } else if (!this.#data.matches(urb, maxPacketSize)) {
      this.halt(urb.endpoint);
    }
    urb.actualLength = urb.length;
    return ok;
  }

  protected override packet(urb: Urb, at: number, length: number): number {
    if (isIn(urb.endpoint)) {
      this.#data.fill(urb, at, length, this.endpoints.find(urb.endpoint)!.maxPacketSize);
    }
    return length;
  }

  protected override control(urb: Urb): TransferStatus {
    const { setup } = urb;
    const room = Setup.wLength(setup, 0) <= CONTROL_BUFFER && this.configuration !== 0;
    if (!room || Setup.wValue(setup, 0) !== 0 || Setup.wIndex(setup, 0) !== 0) return TransferStatus.stall;
    switch ((Setup.bmRequestType(setup, 0) << 8) | Setup.bRequest(setup, 0)) {
      case CONTROL_WRITE:
        this.#control.set(takeOut(urb));
        return TransferStatus.ok;
      case CONTROL_READ:
        return answerIn(urb, this.#control);
      default:
        return TransferStatus.stall;
    }
  }

  protected override changed(change: Change): void {
    if (change.what !== "halt") this.#loopback.clear();
  }

  protected override dropped(urb: Urb): void {
    if (urb.endpoint !== BULK_OUT) return;
    this.#loopback.abandon(urb);
    this.ready(BULK_IN);
  }

  #loop(urb: Urb): TransferStatus | undefined {
    const before = urb.actualLength;
    const done = isIn(urb.endpoint) ? this.#loopback.read(urb) : this.#loopback.write(urb);
    if (done || urb.actualLength > before) this.ready(isIn(urb.endpoint) ? BULK_OUT : BULK_IN);
    return done ? TransferStatus.ok : undefined;
  }
}
