import { basename, dirname } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Uevent } from "../../linux/uevent.ts";
import type { Cancellable, Loop } from "../../usb/loop.ts";
import type { HardwareListener } from "../device-watch.ts";
import type { HardwareDevice } from "../hardware-device.ts";
import { deviceNames, isDeviceName, readDevice, type SystemRoots } from "./enumeration.ts";
import { NodeWatch } from "./node-watch.ts";

/** How long a device that is there may be without a driver before it is taken for one that gets none. */
const UNPROBED_MS = 1_000;
/** A device that goes while events are lost may stand in sysfs for a moment longer. */
const LOST_MS = 1_000;

interface Reading {
  /** Something happened meanwhile. */
  isStale: boolean;
  /** The device went, and whatever is read is of one that is no more. */
  isVoid: boolean;
  readonly done: Promise<void>;
}

/** The devices of this machine, followed by what the kernel tells of them. */
export class HardwareTable {
  readonly #roots: SystemRoots;
  readonly #loop: Loop;
  readonly #listener: HardwareListener;
  readonly #devices = new Map<string, HardwareDevice>();
  readonly #readings = new Map<string, Reading>();
  /** Devices that the kernel is still finding a driver for. */
  readonly #unprobed = new Map<string, { readonly device: HardwareDevice; readonly timer: Cancellable }>();
  readonly #nodes: NodeWatch;
  #lookAgain: Cancellable | undefined;
  #isClosed = false;

  constructor(roots: SystemRoots, loop: Loop, listener: HardwareListener) {
    this.#roots = roots;
    this.#loop = loop;
    this.#listener = listener;
    this.#nodes = new NodeWatch(() => this.#lookAtNodes());
  }

  get devices(): readonly HardwareDevice[] {
    return Array.from(this.#devices.values());
  }

  hear({ action, path, subsystem, variables }: Uevent): void {
    if (subsystem !== "usb") return;
    const type = variables.get("DEVTYPE");
    if (type === "usb_interface") void this.#look(basename(dirname(path)));
    else if (type === "usb_device") {
      const name = basename(path);
      if (action === "remove") this.#gone(name);
      else void this.#look(name);
    }
  }

  /** Reads what is there; resolves when that is done. A device whose lock is held keeps its reader waiting. */
  async lookAtAll(): Promise<void> {
    const names = new Set([...(await deviceNames(this.#roots)), ...this.#devices.keys()]);
    await Promise.all(Array.from(names, (name) => this.#look(name)));
  }

  /** The same after events were lost. */
  lost(): void {
    void this.lookAtAll();
    this.#lookAgain ??= this.#loop.after(LOST_MS, () => {
      this.#lookAgain = undefined;
      void this.lookAtAll();
    });
  }

  /** Tells nothing any more. */
  close(): void {
    this.#isClosed = true;
    this.#lookAgain?.cancel();
    for (const { timer } of this.#unprobed.values()) timer.cancel();
    this.#nodes.close();
  }

  #look(name: string): Promise<void> {
    if (!isDeviceName(name)) return Promise.resolve();
    const underWay = this.#readings.get(name);
    if (underWay !== undefined) {
      underWay.isStale = true;
      return underWay.done;
    }
    let finished!: () => void;
    const done = new Promise<void>((resolve) => {
      finished = resolve;
    });
    const reading: Reading = { isStale: false, isVoid: false, done };
    this.#readings.set(name, reading);
    void this.#read(name, reading).finally(finished);
    return done;
  }

  async #read(name: string, reading: Reading): Promise<void> {
    let found: Awaited<ReturnType<typeof readDevice>>;
    do {
      reading.isStale = false;
      // oxlint-disable-next-line no-await-in-loop -- once more if it has changed meanwhile
      found = await readDevice(name, this.#roots, found?.device ?? this.#devices.get(name));
    } while (reading.isStale && !reading.isVoid);
    if (reading.isVoid || this.#isClosed) return;
    this.#readings.delete(name);
    if (found === undefined) this.#forget(name);
    else this.#found(name, found.device, found.isProbed);
  }

  /** The kernel says so; its sysfs may lag behind. */
  #gone(name: string): void {
    const underWay = this.#readings.get(name);
    if (underWay !== undefined) {
      underWay.isVoid = true;
      this.#readings.delete(name);
    }
    this.#forget(name);
  }

  #forget(name: string): void {
    this.#probed(name);
    const known = this.#devices.get(name);
    if (known === undefined) return;
    this.#devices.delete(name);
    this.#followNodes();
    this.#listener.unplugged(known);
  }

  #found(name: string, device: HardwareDevice, isProbed: boolean): void {
    const known = this.#devices.get(name);
    if (known !== undefined && isSame(known, device)) {
      if (isDeepStrictEqual(known, device)) return;
      this.#devices.set(name, device);
      this.#followNodes();
      this.#listener.changed(device);
      return;
    }
    if (known !== undefined) this.#forget(name);
    if (isProbed) this.#publish(name, device);
    else this.#publishLater(name, device);
  }

  #publish(name: string, device: HardwareDevice): void {
    this.#probed(name);
    this.#devices.set(name, device);
    this.#followNodes();
    this.#listener.plugged(device);
  }

  #publishLater(name: string, device: HardwareDevice): void {
    const earlier = this.#unprobed.get(name);
    if (earlier !== undefined && isSame(earlier.device, device)) return;
    this.#probed(name);
    const timer = this.#loop.after(UNPROBED_MS, () => this.#publish(name, device));
    this.#unprobed.set(name, { device, timer });
  }

  #probed(name: string): void {
    this.#unprobed.get(name)?.timer.cancel();
    this.#unprobed.delete(name);
  }

  #followNodes(): void {
    const closed = this.devices.filter(({ access }) => access !== undefined);
    // Between the look at a node and the watch over it something may have happened.
    if (this.#nodes.follow(closed.map(({ node }) => node))) this.#lookAtNodes();
  }

  #lookAtNodes(): void {
    for (const { busid, access } of this.devices) if (access !== undefined) void this.#look(busid);
  }
}

/** Of all that was ever plugged in here, and not only in this port. */
function isSame(one: HardwareDevice, other: HardwareDevice): boolean {
  return one.busnum === other.busnum && one.devnum === other.devnum && one.path === other.path;
}
