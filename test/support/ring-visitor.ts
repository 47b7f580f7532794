import type { UsbDevice } from "../../src/usb/device.ts";
import { ManualLoop } from "./manual-loop.ts";
import { RingPair, type RingPairOptions } from "./ring-pair.ts";
import { type RingMessage, RingWire, type SubmitFields, submitBody } from "./ring-wire.ts";

/** A host engine with a guest that a test plays by hand. */
export class RingVisitor {
  readonly loop = new ManualLoop();
  readonly pair: RingPair;
  readonly wire: RingWire;

  constructor(devices: readonly UsbDevice[] = [], options: RingPairOptions = {}) {
    this.pair = new RingPair(this.loop, options);
    this.pair.isGuestDead = true;
    this.pair.host.start();
    for (const device of devices) this.pair.host.share(this.pair.shareOf(device));
    this.wire = new RingWire(this.pair.memory.bytes, "guest");
  }

  get dataOffset(): number {
    return this.pair.layout.dataOffset;
  }

  /** Has a session from here on; what the host said on the way is dropped. */
  greet(epoch = 1): void {
    this.wire.arrive(epoch);
    this.pair.settle();
    this.wire.negotiate();
    this.exchange();
  }

  submit(transaction: number, fields: Partial<SubmitFields> = {}): void {
    const { device = 1 } = fields;
    this.wire.send(100, transaction, device, submitBody(fields, this.dataOffset));
  }

  /** Lets the host work, and gives what it says. */
  exchange(): RingMessage[] {
    this.pair.settle();
    return this.wire.read();
  }

  /** Lets time pass; the guest lives. */
  advance(ms: number): void {
    for (let passed = 0; passed < ms; passed += 500) {
      this.wire.beat();
      this.loop.advance(Math.min(500, ms - passed));
    }
  }
}
