import { Tap } from "../capture/tap.ts";
import type { UsbDevice } from "../usb/device.ts";
import type { ExportedDevice, Exports } from "../usbip/exports.ts";
import type { PlaneGadget } from "./data-plane/plane-gadget.ts";
import { deviceIdentity } from "./device-description.ts";
import type { EventLog } from "./event-log.ts";
import { type DeviceFacts, deviceFacts } from "./rules/facts.ts";
import { Watchers } from "./watchers.ts";

/** A device that this host offers, with what rules know of it. */
export interface SharedDevice extends ExportedDevice {
  /** Any of them can be recorded while it is in use. */
  readonly device: Tap | PlaneGadget;
  readonly facts: DeviceFacts;
}

/** Where a real device is plugged in: what a guest shall know it by. */
export type HardwarePlace = Pick<ExportedDevice, "busid" | "path" | "busnum" | "devnum">;

type Entry = { -readonly [K in keyof SharedDevice]: SharedDevice[K] };

/** busnum and devnum are 1..255 each: the stock Linux tool keeps only the low 8 bits of both. */
const NUMBERS = 255;

/** What this host offers, in the order in which it was added. */
export class ExportTable implements Exports {
  readonly #entries = new Map<string, Entry>();
  /** Offered no more, and kept by a session; what runs when that ends. */
  readonly #withdrawn = new Map<Entry, () => void>();
  #added = 0;
  readonly #events: EventLog | undefined;
  readonly #watchers = new Watchers();

  /** Tells the events what comes and goes. */
  constructor(events?: EventLog) {
    this.#events = events;
  }

  /**
   * The bus id is `name`, or the first free of `name-2`, `name-3` and so on. `serial` is the text of the device's
   * string descriptor: rules ask for it before anybody has opened the device.
   */
  add(name: string, device: UsbDevice | PlaneGadget, serial?: string): SharedDevice {
    let busid = name;
    for (let count = 2; this.#entries.has(busid); count++) busid = `${name}-${count}`;
    // Numbers come again only when all were given: a guest knows a device by them.
    const index = this.#added++ % (NUMBERS * NUMBERS);
    const place = {
      busid,
      path: `usbferry/gadget/${busid}`,
      busnum: 1 + Math.floor(index / NUMBERS),
      devnum: 1 + (index % NUMBERS),
    };
    return this.#offer(place, device, serial);
  }

  /** A real device: its bus id is where it is plugged in, and free again as soon as it is withdrawn. */
  addAt(place: HardwarePlace, device: UsbDevice, serial?: string): SharedDevice {
    return this.#offer(place, device, serial);
  }

  /** Offers it no more; resolves when no session has it. A gadget keeps its bus id until then. */
  withdraw(busid: string): Promise<void> {
    return this.#leave(this.#entries.get(busid)!);
  }

  /** The same for a real device: another one may be plugged in there while a session still has this one. */
  unplug(shared: SharedDevice): Promise<void> {
    const left = this.#leave(shared);
    this.#entries.delete(shared.busid);
    return left;
  }

  *devices(): Iterable<SharedDevice> {
    for (const entry of this.#entries.values()) if (!this.#withdrawn.has(entry)) yield entry;
  }

  find(busid: string): SharedDevice | undefined {
    const entry = this.#entries.get(busid);
    return entry === undefined || this.#withdrawn.has(entry) ? undefined : entry;
  }

  /** A session has it, or has it no longer. */
  mark(shared: SharedDevice, attached: boolean): void {
    const entry: Entry = shared;
    entry.attached = attached;
    const freed = attached ? undefined : this.#withdrawn.get(entry);
    if (freed !== undefined) {
      this.#withdrawn.delete(entry);
      // A real device may have a successor there.
      if (this.#entries.get(entry.busid) === entry) this.#entries.delete(entry.busid);
      freed();
    }
    this.#watchers.tell();
  }

  /** Something else than that is different about one of them. */
  changed(): void {
    this.#watchers.tell();
  }

  watch(changed: () => void): () => void {
    return this.#watchers.add(changed);
  }

  #offer(place: HardwarePlace, source: UsbDevice | PlaneGadget, serial: string | undefined): SharedDevice {
    const { busid } = place;
    // A gadget of the data plane has its taps in there, and in its twin.
    const device = "open" in source ? new Tap(source) : source;
    const facts = deviceFacts(busid, device, serial);
    const entry: Entry = { ...place, device, attached: false, serial, facts };
    this.#entries.set(busid, entry);
    this.#events?.publish("added", { device: deviceIdentity(busid, device) });
    this.#watchers.tell();
    return entry;
  }

  #leave(entry: Entry): Promise<void> {
    const { busid, device } = entry;
    this.#events?.publish("removed", { device: deviceIdentity(busid, device) });
    const left = entry.attached
      ? new Promise<void>((resolve) => void this.#withdrawn.set(entry, resolve))
      : Promise.resolve();
    if (!entry.attached) this.#entries.delete(busid);
    this.#watchers.tell();
    return left;
  }
}
