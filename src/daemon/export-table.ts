import type { UsbDevice } from "../usb/device.ts";
import type { DistantDevice, ExportedDevice, Exports } from "../usbip/exports.ts";
import { deviceIdentity } from "./device-facts.ts";
import type { EventLog } from "./event-log.ts";

type Entry = { -readonly [K in keyof ExportedDevice]: ExportedDevice[K] };

/** busnum and devnum are 1..255 each: the stock Linux tool keeps only the low 8 bits of both. */
const NUMBERS = 255;

/** What this host offers, in the order in which it was added. */
export class ExportTable implements Exports {
  readonly #entries = new Map<string, Entry>();
  readonly #events: EventLog | undefined;
  /** Places of numbers that are in use. */
  readonly #numbered = new Set<number>();

  /** Tells the events what comes and goes. */
  constructor(events?: EventLog) {
    this.#events = events;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The bus id is `name`, or the first free of `name-2`, `name-3` and so on. */
  add(name: string, device: UsbDevice | DistantDevice): ExportedDevice {
    let busid = name;
    for (let count = 2; this.#entries.has(busid); count++) busid = `${name}-${count}`;
    let index = 0;
    while (this.#numbered.has(index)) index++;
    this.#numbered.add(index);
    const entry: Entry = {
      busid,
      path: `usbferry/gadget/${busid}`,
      busnum: 1 + Math.floor(index / NUMBERS),
      devnum: 1 + (index % NUMBERS),
      device,
      attached: false,
    };
    this.#entries.set(busid, entry);
    this.#events?.publish("added", { device: deviceIdentity(busid, device) });
    return entry;
  }

  /** Offers it no longer; a session that has it keeps it until the device says otherwise. */
  remove(busid: string): void {
    const entry = this.#entries.get(busid);
    if (entry === undefined) return;
    this.#entries.delete(busid);
    this.#numbered.delete((entry.busnum - 1) * NUMBERS + entry.devnum - 1);
    this.#events?.publish("removed", { device: deviceIdentity(busid, entry.device) });
  }

  devices(): Iterable<ExportedDevice> {
    return this.#entries.values();
  }

  find(busid: string): ExportedDevice | undefined {
    return this.#entries.get(busid);
  }

  /** A session has it, or has it no longer. It may have been removed meanwhile, and its bus id be another's. */
  mark(exported: ExportedDevice, attached: boolean): void {
    const entry = this.#entries.get(exported.busid);
    if (entry === exported) entry.attached = attached;
  }
}
