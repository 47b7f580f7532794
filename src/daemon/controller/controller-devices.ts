import { GADGET_KINDS } from "../../gadgets/catalog.ts";
import type { UsbDevice } from "../../usb/device.ts";
import type { Loop } from "../../usb/loop.ts";
import { plugGadget } from "../backing/plugged-gadget.ts";
import type { SharedDevice } from "../export-table.ts";
import { Failed, failureKind } from "../failure.ts";
import { readGadget } from "../gadget-rack.ts";
import type { Log } from "../log.ts";
import { deviceNamed } from "../state/device-name.ts";
import type { StateFolder } from "../state/state-folder.ts";
import type { AskedDevice } from "./device-source.ts";
import { type DistantName, type DistantSources, readDistantName } from "./distant-source.ts";
import { DistantWish } from "./distant-wish.ts";
import type { HardwareWishes } from "./hardware-wishes.ts";
import type { PortEntry, PortTable } from "./port-table.ts";

/** Each may wait for a host that does not answer. */
const OPENING_MAX = 16;
/** Devices of other hosts, also those that are away. */
const DISTANT_MAX = 64;

/** What the devices of a controller stand on. */
export interface DeviceRooms {
  readonly ports: PortTable;
  readonly loop: Loop;
  readonly log: Log;
  readonly folder: StateFolder;
  readonly distant: DistantSources;
  readonly hardware: HardwareWishes;
}

/** The devices of a controller, wherever they live. Promises reject with WrongUsage, AccessDenied, Failed or a LinkError. */
export class ControllerDevices {
  readonly #rooms: DeviceRooms;
  readonly #distant = new Set<DistantWish>();
  /** Real devices in their ports, or on the way there. Those that could not be had stay, until they are plugged in anew. */
  readonly #real = new Map<SharedDevice, Promise<PortEntry | undefined>>();
  #opening = 0;

  constructor(rooms: DeviceRooms) {
    this.#rooms = rooms;
  }

  list(): readonly AskedDevice[] {
    const { ports, hardware } = this.#rooms;
    const away = [...this.#distant].filter(({ isWaiting }) => isWaiting).map(({ text }) => text);
    const waiting = [...hardware.waiting, ...away].map((source): AskedDevice => ({ name: source, source }));
    return [...ports.entries.map(({ told }) => told), ...waiting];
  }

  /** A gadget, or what `plugDevice` takes. */
  plug(text: string, isForced = false): Promise<AskedDevice> {
    const [kind] = text.split(",");
    return GADGET_KINDS.some(({ name }) => name === kind)
      ? this.plugGadget(text)
      : this.plugDevice(text, isForced);
  }

  async plugGadget(text: string): Promise<AskedDevice> {
    const specification = readGadget(text);
    const { loop, log, ports } = this.#rooms;
    return this.#unlessMany(async () => {
      const gadget = await plugGadget(specification, loop, log, undefined);
      // Without a data plane it is no device of another thread.
      const opened = { ...gadget, name: specification.kind, device: gadget.device as UsbDevice };
      return (await ports.plug(text, opened)).told;
    });
  }

  /**
   * A device of this machine, also if it is plugged in later, or one that another host has (`DEV@ADDR`). `isForced`: also if this
   * machine needs it.
   */
  plugDevice(text: string, isForced = false): Promise<AskedDevice> {
    const distant = readDistantName(text);
    return this.#unlessMany(() =>
      distant === undefined ? this.#plugReal(text, isForced) : this.#plugDistant(text, distant),
    );
  }

  /** By its name, by what was asked for, or by the number of its port. A real device goes with all that were asked for with it. */
  async unplug(text: string): Promise<AskedDevice> {
    const { ports, hardware } = this.#rooms;
    const entry = ports.find(text);
    const source = entry?.told.source ?? text;
    const wishes = [...this.#distant].filter(
      (wish) => (wish.isWaiting && wish.text === text) || (entry !== undefined && wish.has(entry)),
    );
    for (const wish of wishes) this.#end(wish);
    if (hardware.has(source)) await hardware.remove(source);
    else if (entry === undefined && wishes.length === 0) throw this.#unknown(text);
    if (entry !== undefined) await ports.unplug(entry);
    return entry?.told ?? { name: source, source };
  }

  /** Real devices have come or gone, or are not asked for any more. */
  hardwareChanged(): void {
    const there = new Set(this.#rooms.hardware.there());
    for (const [shared, plugged] of this.#real) {
      if (there.has(shared)) continue;
      this.#real.delete(shared);
      void plugged.then((entry) => entry && this.#rooms.ports.unplug(entry));
    }
    for (const shared of there) {
      // Not at once: to take it is a change, too.
      if (!this.#real.has(shared))
        this.#real.set(
          shared,
          Promise.resolve().then(() => this.#take(shared)),
        );
    }
  }

  /** Takes all away, and gives back what stands behind it. */
  async close(): Promise<void> {
    for (const wish of this.#distant) this.#end(wish);
    await this.#rooms.ports.close();
    await this.#rooms.hardware.close();
  }

  async #plugDistant(text: string, name: DistantName): Promise<AskedDevice> {
    if (this.#distant.size >= DISTANT_MAX)
      throw new Failed(`${DISTANT_MAX} devices of other hosts are asked for. Unplug one of them first.`);
    const wish = new DistantWish(text, name, this.#rooms);
    this.#distant.add(wish);
    try {
      return await wish.begin();
    } catch (error) {
      this.#end(wish);
      throw error;
    }
  }

  #end(wish: DistantWish): void {
    this.#distant.delete(wish);
    wish.end();
  }

  async #plugReal(text: string, isForced: boolean): Promise<AskedDevice> {
    const { hardware, folder } = this.#rooms;
    if (hardware.has(text)) throw new Failed(`${text} was asked for before. Unplug it first.`);
    await hardware.add(text, await deviceNamed(text, folder), isForced);
    for (const [shared, plugged] of this.#real) {
      if (!hardware.isMeant(text, shared.busid)) continue;
      // oxlint-disable-next-line no-await-in-loop -- there is one, as a rule
      const entry = await plugged;
      if (entry !== undefined) return entry.told;
    }
    return { name: text, source: text };
  }

  /** Nothing if it could not be opened: the log tells why. */
  async #take(shared: SharedDevice): Promise<PortEntry | undefined> {
    const { ports, hardware, log } = this.#rooms;
    const { busid, busnum, devnum } = shared;
    hardware.mark(shared, true);
    const opened = {
      name: busid,
      // It is none of another thread.
      device: shared.device as UsbDevice,
      numbers: { busnum, devnum },
      close: async () => hardware.mark(shared, false),
    };
    try {
      return await ports.plug(hardware.wishFor(busid), opened);
    } catch (error) {
      if (failureKind(error) === "defect") throw error;
      log.warn({ code: "NOT_PLUGGED", busid }, `NOT_PLUGGED ${(error as Error).message}`);
      return undefined;
    }
  }

  async #unlessMany<T>(open: () => Promise<T>): Promise<T> {
    if (this.#opening >= OPENING_MAX) {
      throw new Failed(`${OPENING_MAX} devices are being plugged in. Wait for one of them, then try again.`);
    }
    this.#opening++;
    try {
      return await open();
    } finally {
      this.#opening--;
    }
  }

  #unknown(text: string): Failed {
    const names = this.list().map(({ name }) => name);
    const there = names.length === 0 ? "Nothing is plugged in" : `Plugged in: ${names.join(", ")}`;
    return new Failed(`there is no "${text}" in this controller. ${there}.`);
  }
}
