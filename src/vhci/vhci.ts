import { accessSync, constants, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Speed } from "../usb/speed.ts";
import { speedCodeOf } from "../usbip/speed-code.ts";
import { type PortPlace, PortQuirks } from "./port-quirks.ts";
import { PortState, type PortStatus, parseOnePortStatus, parsePortStatus } from "./port-status.ts";
import { VhciError } from "./vhci-error.ts";

const SYSFS = "/sys/devices/platform/vhci_hcd.0";

/** Where a kernel shows the devices that it has. */
export interface KernelFolders {
  readonly sysfs: string;
  readonly dev: string;
}

const FOLDERS: KernelFolders = { sysfs: "/sys/bus/usb/devices", dev: "/dev" };

type WriteFile = (path: string, text: string) => void;

/** Which of the free ports to take. */
export interface PortChoice {
  /** This one if it is free, for each hub. */
  readonly preferred?: { readonly hs?: number; readonly ss?: number };
  /** These only where there is no other. */
  readonly avoided?: ReadonlySet<number>;
}

/** The hub that has a device of this speed. */
export function hubOf(speed: Speed): "hs" | "ss" {
  return speed >= Speed.super ? "ss" : "hs";
}

/**
 * The USB/IP client of this machine's kernel, by its files in sysfs. Only the first controller has them; they
 * speak for all.
 */
export class Vhci {
  readonly folders: KernelFolders;
  readonly #folder: string;
  readonly #write: WriteFile;
  readonly #quirks: PortQuirks;
  /** Which status file has which port, and where it is: the kernel never moves one. */
  readonly #files = new Map<number, PortPlace & { readonly name: string }>();
  /** Devids of all ports, when each was looked at last. */
  readonly #seen = new Map<number, number>();
  #lastDevid = LAST_DEVID;

  /** `write` answers as the kernel does: it throws what the file refuses. */
  constructor(folder = SYSFS, write: WriteFile = writeFileSync, folders = FOLDERS) {
    this.folders = folders;
    this.#folder = folder;
    this.#write = write;
    this.#quirks = new PortQuirks(folder);
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
    return this.#orWhy(() => readdirSync(this.#folder).filter((name) => /^status(\.\d+)?$/.test(name)))
      .flatMap((name) => this.#read(name))
      .toSorted((a, b) => a.port - b.port);
  }

  /** One port. It is asked for again and again, so that only its own controller is read. */
  port(number: number): PortStatus | undefined {
    const file = this.#files.get(number);
    if (file === undefined) return this.ports().find(({ port }) => port === number);
    return parseOnePortStatus(this.#text(file.name), number);
  }

  /**
   * Gives a stream socket to the kernel and tells on which port. The kernel keeps a reference of its own:
   * close the descriptor afterwards. Throws a VhciError.
   */
  attach(fd: number, devid: number, speed: Speed, choice: PortChoice = {}): number {
    const hub = hubOf(speed);
    const passed = new Set<number>();
    const own = choice.preferred?.[hub];
    // One look at one port, where it is all that is needed.
    if (own !== undefined && isFree(this.port(own), hub) && this.#give(own, fd, devid, speed)) return own;
    for (;;) {
      // The kernel takes the hub from the speed, and from the number only the place in it: they must agree.
      const all = this.ports().filter((port) => isFree(port, hub) && !passed.has(port.port));
      const free = all.find(({ port }) => choice.avoided?.has(port) !== true) ?? all[0];
      if (free === undefined) throw this.obstacle() ?? this.#noFreePort(hub);
      if (this.#give(free.port, fd, devid, speed)) return free.port;
      passed.add(free.port);
    }
  }

  /** False if somebody else took the port between the look and the write, or its controller is not ready. */
  #give(port: number, fd: number, devid: number, speed: Speed): boolean {
    this.#quirks.hasten(port, this.#files.get(port)!, speed);
    try {
      this.#write(join(this.#folder, "attach"), `${port} ${fd} ${devid} ${speedCodeOf(speed)}`);
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EBUSY" || code === "EAGAIN") return false;
      throw this.obstacle() ?? sysfsError("attach", error as NodeJS.ErrnoException);
    }
  }

  /** To be called when the device of an `attach` is there, or will not come. */
  settled(port: number): void {
    this.#quirks.settle(port);
  }

  /** Attached by a usbferry of this machine, not by another program. */
  static isOurs({ devid }: PortStatus): boolean {
    return devid >= FIRST_DEVID && devid <= LAST_DEVID;
  }

  /** Takes away what is on a port; the kernel does so in the background. Throws a VhciError. */
  detach(port: number): void {
    try {
      this.#write(join(this.#folder, "detach"), String(port));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EINVAL") {
        throw this.obstacle() ?? sysfsError(`detach port ${port}`, error as NodeJS.ErrnoException);
      }
      throw notAttached(port);
    }
  }

  /**
   * A devid that no port has, nor had lately: whoever looks at a port can tell one attachment from the next by it.
   */
  unusedDevid(): number {
    // One look will do: what comes later is ours, or of a program that numbers otherwise.
    if (this.#seen.size === 0) this.ports();
    const used = new Set(this.#seen.values());
    do {
      this.#lastDevid = this.#lastDevid === LAST_DEVID ? FIRST_DEVID : this.#lastDevid + 1;
    } while (used.has(this.#lastDevid));
    return this.#lastDevid;
  }

  #read(name: string): readonly PortStatus[] {
    const ports = parsePortStatus(this.#text(name));
    const controller = Number(/\d*$/.exec(name)![0]);
    const places = { hs: 0, ss: 0 };
    for (const status of ports) {
      const { port, hub, devid } = status;
      if (devid !== 0 && !Vhci.isOurs(status)) this.#quirks.forget(port);
      this.#files.set(port, { name, controller, hub, place: places[hub]++ });
      this.#seen.set(port, devid);
    }
    return ports;
  }

  #text(name: string): string {
    return this.#orWhy(() => readFileSync(join(this.#folder, name), "latin1"));
  }

  #orWhy<T>(look: () => T): T {
    try {
      return look();
    } catch (error) {
      throw this.obstacle() ?? sysfsError("read the ports", error as NodeJS.ErrnoException);
    }
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

function isFree(status: PortStatus | undefined, hub: "hs" | "ss"): boolean {
  return status?.hub === hub && status.state === PortState.FREE;
}

/** Bus 255 of no host that numbers its buses from 1 on. */
const FIRST_DEVID = (255 << 16) | 1;
const LAST_DEVID = (255 << 16) | 0xffff;

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
