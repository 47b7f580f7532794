import type { ListedDevice } from "../../usbip/device-list.ts";
import type { PushedDevice } from "../../usbip/event-pdu.ts";

/** One device of a host, from when it was first seen until it has gone. */
export interface HostDevice {
  /** As it was told last. */
  readonly facts: PushedDevice;
  /** When it was told last. */
  readonly toldMs: number;
}

/** What is known of the devices of a host. */
export class HostDevices {
  readonly #nowMs: () => number;
  readonly #devices = new Map<string, { facts: PushedDevice; toldMs: number }>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  *[Symbol.iterator](): Iterator<HostDevice> {
    yield* this.#devices.values();
  }

  /** The same device goes on under its bus id. */
  put(facts: PushedDevice): void {
    const known = this.#devices.get(facts.busid);
    const toldMs = this.#nowMs();
    if (known === undefined) this.#devices.set(facts.busid, { facts, toldMs });
    else Object.assign(known, { facts, toldMs });
  }

  remove(busid: string): void {
    this.#devices.delete(busid);
  }

  clear(): void {
    this.#devices.clear();
  }

  /**
   * Takes a list of all devices that are free; tells whether anything has changed. A device that left and returned
   * in between is another one: a host gives it another number, unless it counts anew.
   */
  replace(listed: readonly ListedDevice[]): boolean {
    const left = new Set(this.#devices.keys());
    let isChanged = false;
    for (const device of listed) {
      const facts: PushedDevice = { ...device, isFree: true };
      const known = this.#devices.get(facts.busid);
      if (known !== undefined && isSame(known.facts, facts)) {
        left.delete(facts.busid);
        continue;
      }
      this.#devices.delete(facts.busid);
      this.put(facts);
      left.delete(facts.busid);
      isChanged = true;
    }
    for (const busid of left) this.remove(busid);
    return isChanged || left.size > 0;
  }
}

function isSame(one: PushedDevice, other: PushedDevice): boolean {
  return (["busnum", "devnum", "idVendor", "idProduct"] as const).every((key) => one[key] === other[key]);
}
