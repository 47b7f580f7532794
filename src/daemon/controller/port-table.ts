import type { OpenError, UsbDevice } from "../../usb/device.ts";
import { Failed } from "../failure.ts";
import type { Log } from "../log.ts";
import { type OpenedSource, type PluggedDevice, pluggedDevice } from "./device-source.ts";

/** What devices are plugged into: an xHCI controller. */
export interface Sockets {
  /** Gives the number of the port, and `done` hears whether the device could be opened. */
  plug(device: UsbDevice, port: undefined, done: (refused?: OpenError) => void): number | undefined;
  unplug(port: number, done: () => void): void;
}

/** Every port for devices of that speed is taken. */
export class NoFreePort extends Failed {}

/** A device in its port. */
export interface PortEntry {
  readonly told: PluggedDevice;
  readonly opened: OpenedSource;
}

/** Which device is in which port. */
export class PortTable {
  readonly #sockets: Sockets;
  readonly #log: Log;
  readonly #entries = new Set<PortEntry>();

  constructor(sockets: Sockets, log: Log) {
    this.#sockets = sockets;
    this.#log = log;
  }

  get entries(): readonly PortEntry[] {
    return [...this.#entries].toSorted((one, other) => one.told.port - other.told.port);
  }

  /** Rejects with Failed, and has closed the source, if the device cannot be opened or there is no port for it. */
  async plug(source: string, opened: OpenedSource): Promise<PortEntry> {
    const name = this.#freeName(opened.name);
    let port: number | undefined;
    const outcome = await new Promise<PortEntry | OpenError>((resolve) => {
      let isOpen = false;
      const ready = (): void => {
        if (!isOpen || port === undefined) return;
        // At once: it may leave before anybody who waits is told.
        const plugged = { told: pluggedDevice(source, { ...opened, name }, port), opened };
        this.#entries.add(plugged);
        resolve(plugged);
      };
      port = this.#sockets.plug(opened.device, undefined, (why) => {
        if (why !== undefined) resolve(why);
        isOpen = true;
        ready();
      });
      ready();
    });
    if ("reason" in outcome) {
      await opened.close();
      const why = `${source} was not plugged in: ${outcome.message}`;
      throw port === undefined ? new NoFreePort(why) : new Failed(why);
    }
    this.#log.info({ code: "PLUGGED", name, port }, `PLUGGED ${name} into port ${port}`);
    return outcome;
  }

  async unplug(entry: PortEntry): Promise<void> {
    if (!this.#entries.delete(entry)) return;
    await new Promise<void>((resolve) => this.#sockets.unplug(entry.told.port, resolve));
    await this.#forget(entry);
  }

  /** Its source has taken a device away, and the controller has closed it. */
  left(port: number): void {
    for (const entry of this.#entries) {
      if (entry.told.port !== port) continue;
      this.#entries.delete(entry);
      void this.#forget(entry).then(() => entry.opened.left?.());
    }
  }

  /** By name, by what was asked for, or by the number of the port; throws Failed if it may be one of several. */
  find(text: string): PortEntry | undefined {
    const { entries } = this;
    const named = entries.find(({ told }) => told.name === text || String(told.port) === text);
    if (named !== undefined) return named;
    const asked = entries.filter(({ told }) => told.source === text);
    if (asked.length < 2) return asked[0];
    const names = asked.map(({ told }) => told.name).join(" or ");
    throw new Failed(`"${text}" may be ${names}: name one of these.`);
  }

  async close(): Promise<void> {
    await Promise.all(this.entries.map((entry) => this.unplug(entry)));
  }

  async #forget({ told: { name, port }, opened }: PortEntry): Promise<void> {
    this.#log.info({ code: "UNPLUGGED", name, port }, `UNPLUGGED ${name} from port ${port}`);
    try {
      await opened.close();
    } catch (error) {
      this.#log.warn({ code: "STORE_FAILED", name }, `STORE_FAILED ${name}: ${(error as Error).message}`);
    }
  }

  #freeName(name: string): string {
    const taken = new Set(this.entries.map(({ told }) => told.name));
    let free = name;
    for (let count = 2; taken.has(free); count++) free = `${name}-${count}`;
    return free;
  }
}
