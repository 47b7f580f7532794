import type { UsbDevice } from "../usb/device.ts";
import type { DistantDevice, ExportedDevice, Exports } from "../usbip/exports.ts";

type Entry = { -readonly [K in keyof ExportedDevice]: ExportedDevice[K] };

/** busnum and devnum are 1..255 each: the stock Linux tool keeps only the low 8 bits of both. */
const NUMBERS = 255;

/** What this host offers, in the order in which it was added. */
export class ExportTable implements Exports {
  readonly #entries = new Map<string, Entry>();

  /** The bus id is `name`, or the first free of `name-2`, `name-3` and so on. */
  add(name: string, device: UsbDevice | DistantDevice): ExportedDevice {
    let busid = name;
    for (let count = 2; this.#entries.has(busid); count++) busid = `${name}-${count}`;
    const index = this.#entries.size;
    const entry: Entry = {
      busid,
      path: `usbferry/gadget/${busid}`,
      busnum: 1 + Math.floor(index / NUMBERS),
      devnum: 1 + (index % NUMBERS),
      device,
      attached: false,
    };
    this.#entries.set(busid, entry);
    return entry;
  }

  devices(): Iterable<ExportedDevice> {
    return this.#entries.values();
  }

  find(busid: string): ExportedDevice | undefined {
    return this.#entries.get(busid);
  }

  /** A session has it, or has it no longer. */
  mark(busid: string, attached: boolean): void {
    this.#entries.get(busid)!.attached = attached;
  }
}
