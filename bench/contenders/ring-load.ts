import assert from "node:assert/strict";
import { performance } from "node:perf_hooks";
import type { RingDevice } from "../../src/ring/guest-device.ts";
import type { UsbHost } from "../../src/usb/device.ts";
import type { Loop } from "../../src/usb/loop.ts";
import { createUrb, TransferStatus, TransferType, type Urb } from "../../src/usb/urb.ts";
import type { RingResult } from "../ring-contender.ts";

export interface RingCase {
  readonly size: number;
  readonly depth: number;
  readonly warmMs: number;
  readonly measureMs: number;
}

const { ok } = TransferStatus;
const BULK_IN = 0x81;
const SET_CONFIGURATION_3 = [0x00, 0x09, 3, 0, 0, 0, 0, 0];
const LATENCIES = 1 << 22;

/** Asks a gadget zero in a ring for data, some transfers at a time. Nothing is allocated while it does. */
export class RingLoad implements UsbHost {
  readonly #device: RingDevice;
  readonly #loop: Loop;
  readonly #finished: () => void;
  readonly #latencies = new Float32Array(LATENCIES);
  readonly #started = new Float64Array(256);
  #count = 0;
  #inFlight = 0;
  #isOpen = false;
  #case: RingCase = { size: 0, depth: 0, warmMs: 0, measureMs: 0 };
  #fromMs = 0;
  #untilMs = 0;
  #firstMs = 0;
  #lastMs = 0;

  /** `finished` runs when all transfers of a case are back. */
  constructor(device: RingDevice, loop: Loop, finished: () => void) {
    this.#device = device;
    this.#loop = loop;
    this.#finished = finished;
  }

  begin(one: RingCase): void {
    this.#case = one;
    this.#count = 0;
    this.#firstMs = 0;
    if (this.#isOpen) {
      this.#run();
      return;
    }
    this.#device.open(this, this.#loop, (refused) => {
      assert.equal(refused, undefined);
      this.#isOpen = true;
      const configure = createUrb(-1);
      configure.setup.set(SET_CONFIGURATION_3);
      this.#inFlight = 1;
      this.#device.submit(configure);
      this.#device.flush();
    });
  }

  get result(): RingResult {
    const sorted = this.#latencies.subarray(0, this.#count).toSorted();
    const at = (share: number): number => sorted[Math.floor(sorted.length * share)]!;
    const seconds = (this.#lastMs - this.#firstMs) / 1_000;
    return { measured: this.#count, seconds, p50: at(0.5), p99: at(0.99) };
  }

  complete(urb: Urb): void {
    // In passing: an assertion would cost as much as the transfer.
    if (urb.status !== ok) assert.fail(`a transfer ended with status ${urb.status}`);
    this.#inFlight--;
    if (urb.tag < 0) {
      this.#run();
      return;
    }
    const last = this.#case.size - 1;
    if (urb.actualLength !== last + 1 || urb.buffer[0] !== 0 || urb.buffer[last] !== 0) {
      assert.fail(`${urb.actualLength} bytes came, or others than zeros`);
    }
    const nowMs = performance.now();
    if (nowMs >= this.#fromMs && this.#count < LATENCIES) {
      if (this.#firstMs === 0) this.#firstMs = nowMs;
      else this.#latencies[this.#count++] = (nowMs - this.#started[urb.tag]!) * 1e3;
      this.#lastMs = nowMs;
    }
    if (nowMs < this.#untilMs) this.#submit(urb, nowMs);
    else if (this.#inFlight === 0) this.#finished();
    // The engine sends when it has taken all that came.
  }

  unplugged(): void {
    assert.fail("the device is gone");
  }

  #run(): void {
    const { size, depth, warmMs, measureMs } = this.#case;
    const nowMs = performance.now();
    this.#fromMs = nowMs + warmMs;
    this.#untilMs = this.#fromMs + measureMs;
    for (let tag = 0; tag < depth; tag++) {
      const urb = createUrb(tag);
      urb.endpoint = BULK_IN;
      urb.type = TransferType.bulk;
      urb.buffer = new Uint8Array(size).fill(0xff);
      urb.length = size;
      this.#submit(urb, nowMs);
    }
    this.#device.flush();
  }

  #submit(urb: Urb, nowMs: number): void {
    // What is not written anew is found out.
    urb.buffer[0] = 0xff;
    urb.buffer[urb.length - 1] = 0xff;
    this.#started[urb.tag] = nowMs;
    this.#inFlight++;
    this.#device.submit(urb);
  }
}
