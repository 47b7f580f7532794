import type { UsbDevice, UsbHost } from "../../src/usb/device.ts";
import type { Loop } from "../../src/usb/loop.ts";
import { createUrb, isIn, TransferStatus, TransferType, type Urb } from "../../src/usb/urb.ts";

const SET_CONFIGURATION_2 = [0x00, 0x09, 2, 0, 0, 0, 0, 0];
const BULK_IN = 0x81;
const BULK_OUT = 0x01;
/** Inline, one slot, and several slots of 4 KiB. */
const SIZES = [64, 512, 4_096, 10_000];
const IN_FLIGHT = 8;

export interface LoadReport {
  /** Messages that came back. */
  readonly messages: number;
  /** Submitted and not completed. */
  readonly inFlight: number;
  /** What is wrong with what came back: nothing may be. */
  readonly wrong: readonly string[];
}

/** Sends messages through a gadget zero that sends them back, and looks at every byte of them. */
export class LoopbackLoad implements UsbHost {
  readonly #device: UsbDevice;
  readonly #loop: Loop;
  readonly #over: () => void;
  readonly #wrong: string[] = [];
  readonly #submitted = new Set<Urb>();
  #sent = 0;
  #asked = 0;
  #messages = 0;
  #isEnding = false;

  /** `over` runs when the device is gone, and everything has come back. */
  constructor(device: UsbDevice, loop: Loop, over: () => void) {
    this.#device = device;
    this.#loop = loop;
    this.#over = over;
  }

  get report(): LoadReport {
    return { messages: this.#messages, inFlight: this.#submitted.size, wrong: this.#wrong };
  }

  start(): void {
    this.#device.open(this, this.#loop, (refused) => {
      if (refused !== undefined) {
        this.#wrong.push(`the device does not open: ${refused.message}`);
        return;
      }
      const configure = createUrb(-1);
      configure.setup.set(SET_CONFIGURATION_2);
      this.#submit(configure);
      this.#device.flush();
    });
  }

  /** Gives the device back; `done` runs then. */
  end(done: () => void): void {
    this.#isEnding = true;
    this.#device.close(done);
  }

  complete(urb: Urb): void {
    if (!this.#submitted.delete(urb)) this.#wrong.push(`a URB of ${urb.length} bytes completes twice`);
    if (this.#isEnding || urb.status === TransferStatus.disconnected) return;
    if (urb.status !== TransferStatus.ok || urb.actualLength !== urb.length) {
      this.#wrong.push(`a URB of ${urb.length} bytes ends with ${urb.status}, ${urb.actualLength} bytes`);
      return;
    }
    if (urb.tag < 0) {
      for (let i = 0; i < IN_FLIGHT; i++) {
        this.#send(newUrb(BULK_OUT));
        this.#ask(newUrb(BULK_IN));
      }
    } else if (isIn(urb.endpoint)) {
      this.#judge(urb);
      this.#ask(urb);
    } else this.#send(urb);
    this.#device.flush();
  }

  unplugged(): void {
    this.#isEnding = true;
    this.#device.close(() => this.#over());
  }

  #send(urb: Urb): void {
    const number = this.#sent++;
    urb.tag = number;
    urb.length = SIZES[number % SIZES.length]!;
    for (let i = 0; i < urb.length; i++) urb.buffer[i] = byteOf(number, i);
    this.#submit(urb);
  }

  #ask(urb: Urb): void {
    const number = this.#asked++;
    urb.tag = number;
    urb.length = SIZES[number % SIZES.length]!;
    urb.buffer.fill(0xee, 0, urb.length);
    this.#submit(urb);
  }

  #judge(urb: Urb): void {
    this.#messages++;
    for (let i = 0; i < urb.length; i++) {
      if (urb.buffer[i] === byteOf(urb.tag, i)) continue;
      this.#wrong.push(`byte ${i} of message ${urb.tag} is ${urb.buffer[i]}, not ${byteOf(urb.tag, i)}`);
      return;
    }
  }

  #submit(urb: Urb): void {
    urb.actualLength = 0;
    urb.status = TransferStatus.ok;
    this.#submitted.add(urb);
    this.#device.submit(urb);
  }
}

function newUrb(endpoint: number): Urb {
  const urb = createUrb(0);
  urb.endpoint = endpoint;
  urb.type = TransferType.bulk;
  urb.buffer = new Uint8Array(Math.max(...SIZES));
  return urb;
}

function byteOf(message: number, at: number): number {
  return (message * 31 + at * 7 + (at >> 8)) & 0xff;
}
