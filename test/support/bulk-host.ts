import type { UsbDevice } from "../../src/usb/device.ts";
import { createUrb, TransferStatus, TransferType, type Urb } from "../../src/usb/urb.ts";
import { annotatedHex, toHex } from "./annotated-hex.ts";
import { ManualLoop } from "./manual-loop.ts";

const STATUS_NAMES = new Map(Object.entries(TransferStatus).map(([name, status]) => [status, name]));

/** A host that moves bytes to and from a gadget with endpoints 0x81 and 0x02, and says in words how each transfer ended. */
export class BulkHost {
  readonly loop = new ManualLoop();
  readonly device: UsbDevice;
  readonly #pending = new Set<Urb>();

  constructor(device: UsbDevice) {
    this.device = device;
    device.open(
      { complete: (urb) => void this.#pending.delete(urb), unplugged: () => {} },
      this.loop,
      () => {},
    );
    this.control("00 09 01 00 00 00 00 00");
  }

  /** Bytes in hex, `ok` where none moved, or the name of the failure; `pending` if nothing came. */
  out(hex: string | Uint8Array): string {
    const bytes = typeof hex === "string" ? Buffer.from(hex.replaceAll(/\s/g, ""), "hex") : hex;
    const urb = this.urb(0x02, bytes);
    return this.#pending.has(urb) ? "pending" : STATUS_NAMES.get(urb.status)!;
  }

  in(length: number, endpoint = 0x81, type: TransferType = TransferType.bulk): string {
    const urb = this.urb(endpoint, new Uint8Array(length), type);
    if (this.#pending.has(urb)) return "pending";
    if (urb.status !== TransferStatus.ok) return STATUS_NAMES.get(urb.status)!;
    return toHex(urb.buffer.subarray(0, urb.actualLength));
  }

  control(hex: string, data?: string): string {
    const urb = this.controlUrb(hex, data);
    if (urb.status !== TransferStatus.ok) return STATUS_NAMES.get(urb.status)!;
    return urb.endpoint === 0 ? "" : toHex(urb.buffer.subarray(0, urb.actualLength));
  }

  controlUrb(hex: string, data?: string): Urb {
    const urb = createUrb(0);
    urb.setup.set(annotatedHex(hex));
    urb.endpoint = urb.setup[0]! & 0x80;
    urb.buffer = data === undefined ? new Uint8Array(urb.setup[6]!) : annotatedHex(data);
    urb.length = urb.buffer.length;
    this.submit(urb);
    return urb;
  }

  clearHalt(endpoint: number): string {
    return this.control(`02 01 0000 ${endpoint.toString(16).padStart(2, "0")}00 0000`);
  }

  urb(endpoint: number, buffer: Uint8Array, type: TransferType = TransferType.bulk): Urb {
    const urb = createUrb(0);
    urb.endpoint = endpoint;
    urb.type = type;
    urb.buffer = buffer;
    urb.length = buffer.length;
    this.submit(urb);
    return urb;
  }

  isPending(urb: Urb): boolean {
    return this.#pending.has(urb);
  }

  submit(urb: Urb): void {
    this.#pending.add(urb);
    this.device.submit(urb);
    this.device.flush();
    this.loop.settle();
  }
}
