import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { Speed } from "../usb/speed.ts";

/** USB_PORT_QUIRK_OLD_SCHEME (linux: Documentation/ABI/testing/sysfs-bus-usb, `quirks` of a port): one reset in place of two. */
const ONE_RESET = 0b01;
/** USB_PORT_QUIRK_FAST_ENUM: 10 ms of rest after a reset in place of 50. */
const SHORT_REST = 0b10;

/** Where a port is: on a hub of a controller, counted from 0. */
export interface PortPlace {
  /** Of vhci_hcd. */
  readonly controller: number;
  readonly hub: "hs" | "ss";
  readonly place: number;
}

/**
 * Tells this kernel that devices on ports of vhci_hcd need not be handled with care: their hosts have reset and got to know
 * them, and a reset of such a port reaches no device. Where it cannot be told it takes longer, and that is all.
 */
export class PortQuirks {
  readonly #folder: string;
  /** Files by the port. */
  readonly #paths = new Map<number, string>();
  /** Of the last device that was given to the port. */
  readonly #speeds = new Map<number, Speed>();

  /** `folder` is that of the first controller. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Is to be called before a device of this speed comes. vhci_hcd leaves the speed of the last device in the status of a
   * port until the second reset (seen on 6.1 and 6.12: a full-speed device was taken for one of high speed), so one reset
   * is enough only where that speed is the same, or is not looked at.
   */
  hasten(port: number, at: PortPlace, speed: Speed): void {
    const isTold = speed >= Speed.high || this.#speeds.get(port) === speed;
    this.#speeds.set(port, speed);
    try {
      this.#paths.set(port, this.#paths.get(port) ?? this.#pathOf(at));
    } catch {
      return; // an old kernel, or a container
    }
    this.#change(port, ONE_RESET, isTold ? SHORT_REST | ONE_RESET : SHORT_REST);
  }

  /** The device is there, or will not come: the next one may be given to the port by another program. */
  settle(port: number): void {
    this.#change(port, ONE_RESET, 0);
  }

  /** Somebody else has given a device to the port. */
  forget(port: number): void {
    this.#speeds.delete(port);
  }

  #change(port: number, cleared: number, set: number): void {
    const path = this.#paths.get(port);
    if (path === undefined) return;
    try {
      const quirks = Number.parseInt(readFileSync(path, "latin1"), 16);
      const wanted = (quirks & ~cleared) | set;
      if (quirks !== wanted) writeFileSync(path, wanted.toString(16));
    } catch {
      // No right to, or a module that was loaded anew, with other buses.
      this.#paths.delete(port);
    }
  }

  #pathOf({ controller, hub, place }: PortPlace): string {
    const folder = join(dirname(this.#folder), basename(this.#folder).replace(/\d+$/, String(controller)));
    const root = readdirSync(folder).find(
      (name) => /^usb\d+$/.test(name) && hubAt(join(folder, name)) === hub,
    );
    const bus = root?.slice("usb".length) ?? "";
    return join(folder, `usb${bus}`, `${bus}-0:1.0`, `usb${bus}-port${place + 1}`, "quirks");
  }
}

function hubAt(folder: string): "hs" | "ss" {
  return Number(readFileSync(join(folder, "speed"), "latin1")) > 480 ? "ss" : "hs";
}
