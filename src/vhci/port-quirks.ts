import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/**
 * USB_PORT_QUIRK_OLD_SCHEME and USB_PORT_QUIRK_FAST_ENUM (linux: Documentation/ABI/testing/sysfs-bus-usb, `quirks` of a
 * port): one reset in place of two, and 10 ms of rest after it in place of 50.
 */
const QUICK = 0b11;

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

  /** `folder` is that of the first controller. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Is to be called before a device comes. */
  hasten(port: number, at: PortPlace): void {
    try {
      const path = this.#paths.get(port) ?? this.#pathOf(at);
      this.#paths.set(port, path);
      const quirks = Number.parseInt(readFileSync(path, "latin1"), 16);
      if ((quirks & QUICK) !== QUICK) writeFileSync(path, (quirks | QUICK).toString(16));
    } catch {
      // An old kernel, a container, or a module that was loaded anew, with other buses.
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
