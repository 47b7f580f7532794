import { accessSync, constants, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Speed } from "../usb/speed.ts";
import { speedCodeOf } from "../usbip/speed-code.ts";
import { PortState, type PortStatus, parsePortStatus } from "./port-status.ts";
import { VhciError } from "./vhci-error.ts";

const SYSFS = "/sys/devices/platform/vhci_hcd.0";

/** A port may be taken by somebody else between the look at it and the write; this often in a row is no race. */
const TRIES = 100;

/**
 * The USB/IP client of this machine's kernel, by its files in sysfs. Only the first controller has them; they
 * speak for all.
 */
export class Vhci {
  readonly #folder: string;

  constructor(folder = SYSFS) {
    this.#folder = folder;
  }

  /** Why nothing can be attached, before anybody was asked for a device. */
  obstacle(): VhciError | undefined {
    if (!existsSync(join(this.#folder, "attach"))) {
      return new VhciError(
        "NO_MODULE",
        "cannot attach: the kernel module vhci_hcd is not loaded. Load it with `sudo modprobe vhci-hcd`; where it is " +
          "not found, install the full kernel package of the distribution (cloud kernels have no USB).",
      );
    }
    try {
      accessSync(join(this.#folder, "attach"), constants.W_OK);
      return undefined;
    } catch (error) {
      return sysfsError("attach", error as NodeJS.ErrnoException);
    }
  }

  /** Every port of every controller; throws a VhciError without the module. */
  ports(): readonly PortStatus[] {
    try {
      return readdirSync(this.#folder)
        .filter((name) => /^status(\.\d+)?$/.test(name))
        .flatMap((name) => parsePortStatus(readFileSync(join(this.#folder, name), "latin1")))
        .toSorted((a, b) => a.port - b.port);
    } catch (error) {
      throw this.obstacle() ?? sysfsError("read the ports", error as NodeJS.ErrnoException);
    }
  }

  port(number: number): PortStatus | undefined {
    return this.ports().find(({ port }) => port === number);
  }

  /**
   * Gives a stream socket to the kernel and tells on which port. The kernel keeps a reference of its own:
   * close the descriptor afterwards. Throws a VhciError.
   */
  attach(fd: number, devid: number, speed: Speed): number {
    const hub = speed >= Speed.super ? "ss" : "hs";
    const unready = new Set<number>();
    for (let tries = 0; tries < TRIES; tries++) {
      // The kernel takes the hub from the speed, and from the number only the place in it: they must agree.
      const free = this.ports().find(
        (port) => port.hub === hub && port.state === PortState.FREE && !unready.has(port.port),
      );
      if (free === undefined) break;
      try {
        writeFileSync(join(this.#folder, "attach"), `${free.port} ${fd} ${devid} ${speedCodeOf(speed)}`);
        return free.port;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === "EAGAIN") unready.add(free.port);
        else if (code !== "EBUSY") {
          throw this.obstacle() ?? sysfsError("attach", error as NodeJS.ErrnoException);
        }
      }
    }
    throw this.obstacle() ?? this.#noFreePort(hub);
  }

  /** Takes away what is on a port; the kernel does so in the background. Throws a VhciError. */
  detach(port: number): void {
    try {
      writeFileSync(join(this.#folder, "detach"), String(port));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EINVAL") {
        throw this.obstacle() ?? sysfsError(`detach port ${port}`, error as NodeJS.ErrnoException);
      }
      throw notAttached(port);
    }
  }

  /** A devid that no port has: whoever looks at the ports can tell one attachment from another by it. */
  unusedDevid(): number {
    const used = new Set(this.ports().map(({ devid }) => devid));
    let devid = FIRST_DEVID;
    while (used.has(devid)) devid++;
    return devid;
  }

  #noFreePort(hub: "hs" | "ss"): VhciError {
    const all = this.ports().filter((port) => port.hub === hub);
    const kind = hub === "hs" ? "up to high speed" : "of super speed";
    return new VhciError(
      "NO_FREE_PORT",
      `cannot attach: all ${all.length} ports for devices ${kind} are in use. See them with \`usbferry ports\` and ` +
        "free one with `usbferry detach PORT`.",
    );
  }
}

/** Bus 255 of no host that numbers its buses from 1 on. */
const FIRST_DEVID = (255 << 16) | 1;

export function notAttached(port: number): VhciError {
  return new VhciError(
    "NOT_ATTACHED",
    `cannot detach port ${port}: nothing is attached there. See what is with \`usbferry ports\`.`,
  );
}

function sysfsError(what: string, cause: NodeJS.ErrnoException): VhciError {
  switch (cause.code) {
    case "EACCES":
    case "EPERM":
      return new VhciError(
        "NO_PERMISSION",
        `cannot ${what}: only root may change what is attached to the kernel (${cause.code}). Use sudo.`,
        cause,
      );
    case "EROFS":
      return new VhciError(
        "NO_PERMISSION",
        `cannot ${what}: /sys is read-only here, as in a container (EROFS). Run it on the machine itself, or in a ` +
          "container that may write to /sys/devices/platform/vhci_hcd.0.",
        cause,
      );
    default:
      return new VhciError(
        "REFUSED",
        `cannot ${what}: the kernel answers ${cause.code ?? cause.message}. Its log may say more: sudo dmesg | tail`,
        cause,
      );
  }
}
