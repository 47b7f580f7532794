import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import type { MachineRoots } from "../../src/daemon/hardware/machine-roots.ts";
import type { Uevent } from "../../src/linux/uevent.ts";

/** A device as a kernel shows it; what is left out is that of a stick on port 1-2. */
export interface RecordedDevice {
  readonly name?: string;
  readonly devnum?: number;
  /** Of the controller, below the root of sysfs. */
  readonly controller?: string;
  readonly speed?: string;
  readonly manufacturer?: string;
  readonly product?: string;
  readonly serial?: string;
  /** The whole of its file, in hexadecimal. */
  readonly descriptors?: string;
  /** Of the device as a whole; null: the kernel has not come to it yet. */
  readonly driver?: string | null;
  /** By number; null: none has it. */
  readonly interfaces?: Readonly<Record<number, string | null>>;
  readonly configuration?: number;
  /** Mode of its device node; null: there is none. */
  readonly mode?: number | null;
}

/** Like QEMU's usb-storage: device, configuration, interface, two endpoints. */
export const STICK = `
  12 01 0002 00 00 00 40 f446 0100 0000 01 02 03 01
  09 02 2000 01 01 00 c0 00
  09 04 00 00 02 08 06 50 00
  07 05 81 02 0002 00
  07 05 02 02 0002 00`;

/** Like QEMU's usb-kbd: one boot keyboard. */
export const KEYBOARD = `
  12 01 0002 00 00 00 08 2706 0100 0000 01 04 0b 01
  09 02 2200 01 01 06 a0 32
  09 04 00 00 01 03 01 01 00
  09 21 1101 00 01 22 3f00
  07 05 81 03 0800 0a`;

/** Like QEMU's usb-hub. */
export const HUB = `
  12 01 1001 09 00 00 08 0904 aa55 0101 01 02 03 01
  09 02 1900 01 01 00 e0 00
  09 04 00 00 01 09 00 00 00
  07 05 81 03 0200 ff`;

const CONTROLLER = "devices/pci0000:00/0000:00:04.0";

/** A sysfs and a /dev in a folder of a test, laid out as the kernel does it. */
export class SysfsTree {
  readonly folder = mkdtempSync(join(tmpdir(), "usbferry-sysfs-"));
  readonly roots: MachineRoots = {
    sysfs: join(this.folder, "sys"),
    dev: join(this.folder, "dev"),
    proc: join(this.folder, "proc"),
  };
  readonly #paths = new Map<string, { readonly path: string; readonly device: RecordedDevice }>();

  constructor() {
    mkdirSync(join(this.roots.sysfs, "bus/usb/devices"), { recursive: true });
    mkdirSync(join(this.roots.sysfs, "class/block"), { recursive: true });
    mkdirSync(join(this.roots.dev, "bus/usb"), { recursive: true });
  }

  /** The events of the kernel for it: first "add", then one for each driver that is found. */
  plug(device: RecordedDevice = {}): readonly Uevent[] {
    const { name = "1-2", devnum = 2, controller = CONTROLLER, descriptors = STICK } = device;
    const bus = Number.parseInt(name, 10);
    const path = `${controller}/usb${bus}/${ancestors(name).join("/")}`;
    const folder = join(this.roots.sysfs, path);
    this.#paths.set(name, { path, device });
    mkdirSync(folder, { recursive: true });
    const bytes = Buffer.from(descriptors.replace(/\s+/g, ""), "hex");
    writeFileSync(join(folder, "descriptors"), bytes);
    const hex4 = (at: number): string => bytes.readUInt16LE(at).toString(16).padStart(4, "0");
    this.write(path, "idVendor", hex4(8));
    this.write(path, "idProduct", hex4(10));
    this.write(path, "bcdDevice", hex4(12));
    this.write(path, "bDeviceClass", bytes[4]!.toString(16).padStart(2, "0"));
    this.write(path, "busnum", String(bus));
    this.write(path, "devnum", String(devnum));
    this.write(path, "speed", device.speed ?? "480");
    for (const key of ["manufacturer", "product", "serial"] as const) {
      if (device[key] !== undefined) this.write(path, key, device[key]);
    }
    this.#link(folder, join(this.roots.sysfs, "bus/usb/devices", name));
    this.#node(bus, devnum, device.mode === undefined ? 0o664 : device.mode);
    const events = [this.#event("add", name, "usb_device")];
    if (device.driver !== null) events.push(...this.probe(name));
    return events;
  }

  /** The kernel finds drivers for a device that is there. */
  probe(name = "1-2"): readonly Uevent[] {
    const { path, device } = this.#paths.get(name)!;
    const { configuration = 1, interfaces = { 0: "usb-storage" }, driver } = device;
    const events: Uevent[] = [];
    if (driver === undefined || driver === null || driver === "usb") {
      for (const [number, its] of Object.entries(interfaces)) {
        mkdirSync(join(this.roots.sysfs, path, `${name}:${configuration}.${number}`));
        if (its !== null) events.push(this.bind(name, Number(number), its));
      }
    }
    this.#driver(path, driver ?? "usb");
    return [...events, this.#event("bind", name, "usb_device")];
  }

  /** A driver takes an interface. */
  bind(name: string, number: number, driver: string): Uevent {
    const { path, device } = this.#paths.get(name)!;
    const interfaceName = `${name}:${device.configuration ?? 1}.${number}`;
    this.#driver(`${path}/${interfaceName}`, driver);
    return this.#event("bind", `${name}/${interfaceName}`, "usb_interface");
  }

  /** A driver lets it go. */
  unbind(name: string, number: number): Uevent {
    const { path, device } = this.#paths.get(name)!;
    const interfaceName = `${name}:${device.configuration ?? 1}.${number}`;
    rmSync(join(this.roots.sysfs, path, interfaceName, "driver"));
    return this.#event("unbind", `${name}/${interfaceName}`, "usb_interface");
  }

  unplug(name = "1-2"): Uevent {
    const { path, device } = this.#paths.get(name)!;
    rmSync(join(this.roots.sysfs, "bus/usb/devices", name));
    rmSync(join(this.roots.sysfs, path), { recursive: true });
    this.#node(Number.parseInt(name, 10), device.devnum ?? 2, null);
    const event = this.#event("remove", name, "usb_device");
    this.#paths.delete(name);
    return event;
  }

  /** Gives the node of a device another mode, or makes it. */
  allow(name: string, mode: number): void {
    this.#node(Number.parseInt(name, 10), this.#paths.get(name)!.device.devnum ?? 2, mode);
  }

  /** A block device below an interface, with its partitions: `sda`, then `sda1`, ... and their numbers. */
  disk(name: string, disks: Readonly<Record<string, string>>): void {
    const { path } = this.#paths.get(name)!;
    const [whole] = Object.keys(disks);
    for (const [disk, numbers] of Object.entries(disks)) {
      const own = `${path}/${name}:1.0/host0/block/${whole}${disk === whole ? "" : `/${disk}`}`;
      this.write(own, "dev", numbers);
      this.blockLink(disk, own);
    }
  }

  blockLink(name: string, path: string): void {
    const link = join(this.roots.sysfs, "class/block", name);
    rmSync(link, { force: true });
    this.#link(join(this.roots.sysfs, path), link);
  }

  /** What is mounted, in the form of proc(5), by the numbers of the disk. */
  mount(
    mounts: readonly { readonly numbers: string; readonly point: string; readonly source?: string }[],
  ): void {
    mkdirSync(join(this.roots.proc, "self"), { recursive: true });
    const lines = mounts.map(
      ({ numbers, point, source = "/dev/x" }, i) =>
        `${20 + i} 1 ${numbers} / ${point} rw,relatime shared:1 - ext4 ${source} rw\n`,
    );
    writeFileSync(join(this.roots.proc, "self/mountinfo"), lines.join(""));
  }

  write(path: string, file: string, value: string): void {
    mkdirSync(join(this.roots.sysfs, path), { recursive: true });
    writeFileSync(join(this.roots.sysfs, path, file), `${value}\n`);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }

  #node(bus: number, devnum: number, mode: number | null): void {
    const [folder, file] = [bus, devnum].map((number) => String(number).padStart(3, "0")) as [string, string];
    const path = join(this.roots.dev, "bus/usb", folder, file);
    if (mode === null) {
      rmSync(path, { force: true });
      return;
    }
    mkdirSync(join(this.roots.dev, "bus/usb", folder), { recursive: true });
    writeFileSync(path, "");
    chmodSync(path, mode);
  }

  #driver(path: string, driver: string): void {
    const folder = join(this.roots.sysfs, "bus/usb/drivers", driver);
    mkdirSync(folder, { recursive: true });
    rmSync(join(this.roots.sysfs, path, "driver"), { force: true });
    this.#link(folder, join(this.roots.sysfs, path, "driver"));
  }

  #link(target: string, link: string): void {
    symlinkSync(relative(join(link, ".."), target), link);
  }

  #event(action: string, below: string, devtype: string): Uevent {
    const name = below.split("/")[0]!;
    const { path, device } = this.#paths.get(name)!;
    return {
      action,
      path: `/${path}${below.slice(name.length)}`,
      subsystem: "usb",
      variables: new Map([
        ["DEVTYPE", devtype],
        ["DEVNUM", String(device.devnum ?? 2).padStart(3, "0")],
      ]),
    };
  }
}

/** "1-2.3" stands in the folder of "1-2". */
function ancestors(name: string): readonly string[] {
  const ports = name.split(".");
  return ports.map((_, i) => ports.slice(0, i + 1).join("."));
}
