import {
  accessSync,
  closeSync,
  constants,
  openSync,
  read,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
} from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { DescriptorType, DeviceDescriptor } from "../../usb/descriptors.ts";
import { Speed } from "../../usb/speed.ts";
import type { HardwareDevice, HardwareInterface } from "../hardware-device.ts";

/** Where a system shows its devices: in a container, or in a test, not at the usual places. */
export interface SystemRoots {
  readonly sysfs: string;
  readonly dev: string;
}

/** A device, and how far the kernel is with it. */
export interface FoundDevice {
  readonly device: HardwareDevice;
  /** The kernel has chosen a driver for it, and so a configuration. */
  readonly isProbed: boolean;
}

/** In sysfs, in Mbit/s. */
const SPEEDS: ReadonlyMap<string, Speed> = new Map([
  ["1.5", Speed.low],
  ["12", Speed.full],
  ["480", Speed.high],
  ["5000", Speed.super],
  ["10000", Speed.superPlus],
  ["20000", Speed.superPlus],
]);

/** As much as sysfs gives at once. */
const PAGE_BYTES = 4096;

/** The driver that every device has which is not given away as a whole. */
const USUAL_DRIVER = "usb";

/** "1-2.3"; root hubs ("usb1") are part of the machine and no devices of anybody. */
export function isDeviceName(name: string): boolean {
  return /^\d+(?:-\d+)(?:\.\d+)*$/.test(name);
}

/** By bus, then by port, as people count. */
export function compareBusids(one: string, other: string): number {
  const [ours, theirs] = [one, other].map((busid) => busid.split(/[-.]/).map(Number)) as [number[], number[]];
  for (let i = 0; i < ours.length && i < theirs.length; i++) {
    const difference = ours[i]! - theirs[i]!;
    if (difference !== 0) return difference;
  }
  return ours.length - theirs.length;
}

/** Names of the devices that are plugged in; none where the system has no USB. */
export async function deviceNames({ sysfs }: SystemRoots): Promise<readonly string[]> {
  const names = await readdir(join(sysfs, "bus/usb/devices")).catch(() => []);
  return names.filter(isDeviceName).toSorted(compareBusids);
}

/** Every device that is plugged in, without opening any. */
export async function enumerate(roots: SystemRoots): Promise<readonly HardwareDevice[]> {
  const names = await deviceNames(roots);
  const found = await Promise.all(names.map((name) => readDevice(name, roots)));
  return found.filter((each) => each !== undefined).map(({ device }) => device);
}

/** The device that has these numbers at this moment; no other one is asked for anything that may take long. */
export async function deviceNumbered(
  busnum: number,
  devnum: number,
  roots: SystemRoots,
): Promise<HardwareDevice | undefined> {
  const names = await deviceNames(roots);
  const name = names.find((each) => {
    const path = pathOf(each, roots);
    return path !== undefined && decimal(path, "busnum") === busnum && decimal(path, "devnum") === devnum;
  });
  const found = name === undefined ? undefined : await readDevice(name, roots);
  return found?.device.devnum === devnum ? found.device : undefined;
}

/**
 * What sysfs says of one device; nothing if it is gone. Its strings, and in older kernels its descriptors, stand behind the
 * device's lock, which a request in the works may hold for seconds: they are waited for elsewhere, and taken from `known`
 * where that is the same device. All else is there at once.
 */
export async function readDevice(
  name: string,
  roots: SystemRoots,
  known?: HardwareDevice,
): Promise<FoundDevice | undefined> {
  const path = pathOf(name, roots);
  if (path === undefined) return undefined;
  const busnum = decimal(path, "busnum");
  const devnum = decimal(path, "devnum");
  if (busnum === undefined || devnum === undefined) return undefined;
  // The kernel holds the lock of such a device while it asks its host, which may be this very process.
  const imported = /\/vhci_hcd(?:\.\d+)?\//.test(path);
  const same = known?.busnum === busnum && known.devnum === devnum ? known : undefined;
  const [descriptors, strings] = imported
    ? [shortDescriptors(path), {}]
    : await Promise.all([same?.descriptors ?? readWhole(join(path, "descriptors")), same ?? stringsOf(path)]);
  // Another one may have come meanwhile; its own events tell of it.
  if (descriptors === undefined || decimal(path, "devnum") !== devnum) return undefined;
  const driver = driverOf(path);
  const interfaces = interfacesOf(path, name);
  const node = join(roots.dev, "bus/usb", padded(busnum), padded(devnum));
  const refused = refusal(node);
  const { manufacturer, product, serial } = strings;
  const device: HardwareDevice = {
    busid: name,
    busnum,
    devnum,
    path,
    node,
    speed: SPEEDS.get(text(path, "speed") ?? "") ?? Speed.full,
    descriptors,
    configuration: interfaces.configuration,
    ...(manufacturer !== undefined && { manufacturer }),
    ...(product !== undefined && { product }),
    ...(serial !== undefined && { serial }),
    ...(driver !== undefined && driver !== USUAL_DRIVER && { driver }),
    interfaces: interfaces.list,
    ...(refused !== undefined && { access: refused }),
    ...(imported && { imported }),
  };
  return { device, isProbed: driver !== undefined };
}

function pathOf(name: string, { sysfs }: SystemRoots): string | undefined {
  try {
    return realpathSync(join(sysfs, "bus/usb/devices", name));
  } catch {
    return undefined;
  }
}

function text(path: string, attribute: string): string | undefined {
  try {
    return readFileSync(join(path, attribute), "utf8").replace(/\n$/, "");
  } catch {
    return undefined;
  }
}

function decimal(path: string, attribute: string): number | undefined {
  const digits = text(path, attribute);
  return digits !== undefined && /^\d+$/.test(digits) ? Number(digits) : undefined;
}

/** What stands behind the device's lock: to open it takes no lock, to read it does. */
async function readWhole(path: string): Promise<Uint8Array | undefined> {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    return undefined;
  }
  const pages: Uint8Array[] = [];
  try {
    let length: number;
    do {
      const page = new Uint8Array(PAGE_BYTES);
      // oxlint-disable-next-line no-await-in-loop -- one page after the other
      length = (await readAt(fd, page, pages.length * PAGE_BYTES)) ?? 0;
      pages.push(page.subarray(0, length));
    } while (length === PAGE_BYTES);
  } finally {
    closeSync(fd);
  }
  return new Uint8Array(Buffer.concat(pages));
}

/** Nothing where it cannot be read. */
function readAt(fd: number, page: Uint8Array, position: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    read(fd, page, 0, page.length, position, (error, length) => resolve(error === null ? length : undefined));
  });
}

type Strings = Pick<HardwareDevice, "manufacturer" | "product" | "serial">;

async function stringsOf(path: string): Promise<Strings> {
  // All wait for the same lock, and threads that wait are few: the first of them finds out whether it is free.
  const manufacturer = await string(path, "manufacturer");
  const [product, serial] = await Promise.all([string(path, "product"), string(path, "serial")]);
  return {
    ...(manufacturer !== undefined && { manufacturer }),
    ...(product !== undefined && { product }),
    ...(serial !== undefined && { serial }),
  };
}

async function string(path: string, attribute: string): Promise<string | undefined> {
  const bytes = await readWhole(join(path, attribute));
  const line = bytes && Buffer.from(bytes).toString("utf8").replace(/\n$/, "");
  return line === "" ? undefined : line;
}

/** The device descriptor alone, of attributes that need no lock. */
function shortDescriptors(path: string): Uint8Array {
  const hex = (attribute: string): number => Number.parseInt(text(path, attribute) ?? "0", 16) || 0;
  return DeviceDescriptor.encode({
    bLength: DeviceDescriptor.size,
    bDescriptorType: DescriptorType.DEVICE,
    bcdUSB: 0x0200,
    bDeviceClass: hex("bDeviceClass"),
    bDeviceSubClass: hex("bDeviceSubClass"),
    bDeviceProtocol: hex("bDeviceProtocol"),
    bMaxPacketSize0: Number(text(path, "bMaxPacketSize0")) || 0,
    idVendor: hex("idVendor"),
    idProduct: hex("idProduct"),
    bcdDevice: hex("bcdDevice"),
    iManufacturer: 0,
    iProduct: 0,
    iSerialNumber: 0,
    bNumConfigurations: 0,
  });
}

function driverOf(path: string): string | undefined {
  try {
    return basename(readlinkSync(join(path, "driver")));
  } catch {
    return undefined;
  }
}

/** Their folders are named BUSID:CONFIGURATION.NUMBER, which no lock guards. */
function interfacesOf(
  path: string,
  name: string,
): { readonly configuration: number; readonly list: readonly HardwareInterface[] } {
  let configuration = 0;
  const list: HardwareInterface[] = [];
  for (const entry of entriesOf(path)) {
    if (!entry.startsWith(`${name}:`)) continue;
    const [active, interfaceNumber] = entry.slice(name.length + 1).split(".");
    configuration = Number(active);
    const driver = driverOf(join(path, entry));
    const number = Number(interfaceNumber);
    list.push(driver === undefined ? { number } : { number, driver });
  }
  return { configuration, list: list.toSorted((one, other) => one.number - other.number) };
}

function entriesOf(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function refusal(node: string): "missing" | "denied" | undefined {
  try {
    accessSync(node, constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? "missing" : "denied";
  }
}

function padded(value: number): string {
  return String(value).padStart(3, "0");
}
