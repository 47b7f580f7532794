import assert from "node:assert/strict";
import type { UsbDevice } from "../../src/usb/device.ts";
import { createUrb, TransferStatus, TransferType, type Urb } from "../../src/usb/urb.ts";
import type { ManualLoop } from "./manual-loop.ts";

const { ok } = TransferStatus;

/** A sink that writes numbered patterns to a loopback device, and checks what it reads back. */
export class LoopbackSink {
  readonly device: UsbDevice;
  readonly statuses = new Map<TransferStatus, number>();
  inFlight = 0;
  checked = 0;
  unplugs = 0;
  readonly #host = {
    complete: (urb: Urb) => this.#complete(urb),
    unplugged: () => {
      assert.equal(this.inFlight, 0, "unplugged after every URB has completed");
      this.#isUnplugged = true;
      this.unplugs++;
    },
  };
  readonly #isChecked: boolean;
  #isUnplugged = false;
  #written = 0;
  #read = 0;
  #isOpen = false;
  #isConfigured = false;

  /** `isChecked`: what is read must be what was written. */
  constructor(device: UsbDevice, loop: ManualLoop, isChecked = true) {
    this.device = device;
    this.#isChecked = isChecked;
    device.open(this.#host, loop, (refused) => {
      this.#isOpen = refused === undefined;
    });
    this.#control(Uint8Array.of(0x00, 9, 2, 0, 0, 0, 0, 0));
  }

  /** One write and the read that brings it back. */
  pair(): void {
    if (!this.#isOpen || !this.#isConfigured || this.#isUnplugged) return;
    const number = this.#written++;
    const length = lengthOf(number);
    const write = this.#urb(0x01, length);
    write.buffer.set(patternOf(number));
    this.#submit(write);
    this.#submit(this.#urb(0x81, length));
  }

  flush(): void {
    if (!this.#isUnplugged) this.device.flush();
  }

  #control(setup: Uint8Array): void {
    const urb = createUrb(0);
    urb.setup.set(setup);
    this.#submit(urb);
  }

  #urb(endpoint: number, length: number): Urb {
    const urb = createUrb(0);
    urb.type = TransferType.bulk;
    urb.endpoint = endpoint;
    urb.length = length;
    urb.buffer = new Uint8Array(length);
    return urb;
  }

  #submit(urb: Urb): void {
    urb.status = ok;
    this.inFlight++;
    this.device.submit(urb);
  }

  #complete(urb: Urb): void {
    this.inFlight--;
    this.statuses.set(urb.status, (this.statuses.get(urb.status) ?? 0) + 1);
    if (urb.endpoint === 0) this.#isConfigured = urb.status === ok;
    if (urb.endpoint !== 0x81 || urb.status !== ok) return;
    if (!this.#isChecked) return;
    const number = this.#read++;
    assert.equal(urb.actualLength, lengthOf(number), `length of read ${number}`);
    assert.equal(Buffer.compare(urb.buffer, patternOf(number)), 0, `bytes of read ${number}`);
    this.checked++;
  }
}

/** Inline, in a slot, and in a run of slots. */
const LENGTHS = [1, 96, 97, 512, 4097, 9000] as const;
const PATTERN = Uint8Array.from({ length: 256 + 9000 }, (_, i) => (i * 13) ^ (i >> 8));

function lengthOf(number: number): number {
  return LENGTHS[number % LENGTHS.length]!;
}

function patternOf(number: number): Uint8Array {
  const at = (number * 7) % 256;
  return PATTERN.subarray(at, at + lengthOf(number));
}
