import type { BufferPool, OpenError, UsbDevice, UsbHost } from "../../src/usb/device.ts";
import type { Loop } from "../../src/usb/loop.ts";
import { Speed } from "../../src/usb/speed.ts";
import { isIn, TransferStatus, type Urb } from "../../src/usb/urb.ts";
import { annotatedHex } from "./annotated-hex.ts";

/** A high-speed device with one configuration: bulk 0x81 and 0x01, interrupt 0x82, isochronous 0x83 and 0x03. */
const DESCRIPTORS = annotatedHex(`
  12 01 0002 ff0000 40 0912 0100 0001 00 00 00 01  device 1209:0001
  09 02 3500 01 01 00 80 32                        configuration 1, 53 bytes
  09 04 00 00 05 ff0000 00                         interface 0
  07 05 81 02 0002 00                              bulk IN
  07 05 01 02 0002 00                              bulk OUT
  07 05 82 03 4000 04                              interrupt IN
  07 05 83 01 0004 01                              isochronous IN
  07 05 03 01 0004 01                              isochronous OUT
`);

/**
 * Keeps every URB until the test finishes it, so that a test decides what completes when. A cancelled URB
 * completes at the next flush, as the waist promises.
 */
export class HeldDevice implements UsbDevice {
  readonly speed = Speed.high;
  readonly descriptors = DESCRIPTORS;
  configuration = 1;
  /** In flight, oldest first. */
  readonly held: Urb[] = [];
  /** OUT data of every transfer, as it was at its `submit`. */
  readonly payloads: Uint8Array[] = [];
  readonly takesLentData: boolean;
  memory: BufferPool | undefined;
  refusal: OpenError | undefined;
  /** Ends of resets that were asked for. */
  readonly resets: ((status: TransferStatus) => void)[] = [];
  opened = 0;
  closed = 0;
  #host: UsbHost | undefined;
  readonly #cancelled: Urb[] = [];

  constructor(takesLentData = false) {
    this.takesLentData = takesLentData;
  }

  open(host: UsbHost, _loop: Loop, done: (refused?: OpenError) => void): void {
    if (this.refusal === undefined) {
      this.#host = host;
      this.opened++;
    }
    done(this.refusal);
  }

  submit(urb: Urb): void {
    this.held.push(urb);
    if (!isIn(urb.endpoint))
      this.payloads.push(Uint8Array.from(urb.buffer.subarray(urb.offset, urb.offset + urb.length)));
  }

  cancel(urb: Urb): void {
    const index = this.held.indexOf(urb);
    if (index < 0) return;
    this.held.splice(index, 1);
    urb.status = TransferStatus.cancelled;
    this.#cancelled.push(urb);
  }

  flush(): void {
    for (const urb of this.#cancelled.splice(0)) this.#host!.complete(urb);
  }

  /** Completes a held URB; IN data is `data`, and without it as much as was asked for has moved. */
  finish(urb: Urb, status: TransferStatus = TransferStatus.ok, data?: Uint8Array): void {
    this.held.splice(this.held.indexOf(urb), 1);
    urb.status = status;
    if (data !== undefined) urb.buffer.set(data, urb.offset);
    urb.actualLength = data?.length ?? urb.length;
    this.#host!.complete(urb);
  }

  unplug(): void {
    for (const urb of this.held.slice()) this.finish(urb, TransferStatus.disconnected, new Uint8Array(0));
    this.#host!.unplugged();
  }

  reset(done: (status: TransferStatus) => void): void {
    this.resets.push(done);
  }

  close(done: () => void): void {
    for (const urb of this.held.slice()) this.cancel(urb);
    this.flush();
    this.closed++;
    done();
  }
}
