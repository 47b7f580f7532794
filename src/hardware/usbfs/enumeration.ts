import { access, constants, readdir, readFile, readlink, realpath } from "node:fs/promises";
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

/**
 * What sysfs says of one device; nothing if it is gone. Its strings stand behind the device's lock, which a request in
 * the works may hold for seconds: they are taken from `known` where that is the same device.
 */
export async function readDevice(
  name: string,
  roots: SystemRoots,
  known?: HardwareDevice,
): Promise<FoundDevice | undefined> {
  const path = await realpath(join(roots.sysfs, "bus/usb/devices", name)).catch(() => undefined);
  if (path === undefined) return undefined;
  const busnum = await decimal(path, "busnum");
  const devnum = await decimal(path, "devnum");
  if (busnum === undefined || devnum === undefined) return undefined;
  // The kernel holds the lock of such a device while it asks its host, which may be this very process.
  const imported = /\/vhci_hcd(?:\.\d+)?\//.test(path);
  const node = join(roots.dev, "bus/usb", padded(busnum), padded(devnum));
  const [descriptors, strings, driver, interfaces, speed, refused] = await Promise.all([
    imported ? shortDescriptors(path) : readFile(join(path, "descriptors")).catch(() => undefined),
    imported ? {} : stringsOf(path, known?.busnum === busnum && known.devnum === devnum ? known : undefined),
    driverOf(path),
    interfacesOf(path, name),
    text(path, "speed"),
    refusal(node),
  ]);
  // Another one may have come meanwhile; its own events tell of it.
  if (descriptors === undefined || (await decimal(path, "devnum")) !== devnum) return undefined;
  const device: HardwareDevice = {
    busid: name,
    busnum,
    devnum,
    path,
    node,
    speed: SPEEDS.get(speed ?? "") ?? Speed.full,
    descriptors: new Uint8Array(descriptors),
    configuration: interfaces.configuration,
    ...strings,
    ...(driver !== undefined && driver !== USUAL_DRIVER && { driver }),
    interfaces: interfaces.list,
    ...(refused !== undefined && { access: refused }),
    ...(imported && { imported }),
  };
  return { device, isProbed: driver !== undefined };
}

async function text(path: string, attribute: string): Promise<string | undefined> {
  const read = await readFile(join(path, attribute), "utf8").catch(() => undefined);
  return read?.replace(/\n$/, "");
}

async function decimal(path: string, attribute: string): Promise<number | undefined> {
  const read = await text(path, attribute);
  return read !== undefined && /^\d+$/.test(read) ? Number(read) : undefined;
}

type Strings = Pick<HardwareDevice, "manufacturer" | "product" | "serial">;

async function stringsOf(path: string, known: HardwareDevice | undefined): Promise<Strings> {
  if (known !== undefined) {
    const { manufacturer, product, serial } = known;
    return withoutEmpty(manufacturer, product, serial);
  }
  // One after the other: all wait for the same lock.
  const manufacturer = await text(path, "manufacturer");
  const product = await text(path, "product");
  return withoutEmpty(manufacturer, product, await text(path, "serial"));
}

function withoutEmpty(manufacturer?: string, product?: string, serial?: string): Strings {
  return {
    ...(manufacturer !== undefined && manufacturer !== "" && { manufacturer }),
    ...(product !== undefined && product !== "" && { product }),
    ...(serial !== undefined && serial !== "" && { serial }),
  };
}

/** The device descriptor alone, of attributes that need no lock. */
async function shortDescriptors(path: string): Promise<Uint8Array> {
  const hex = async (attribute: string): Promise<number> =>
    Number.parseInt((await text(path, attribute)) ?? "0", 16) || 0;
  return DeviceDescriptor.encode({
    bLength: DeviceDescriptor.size,
    bDescriptorType: DescriptorType.DEVICE,
    bcdUSB: 0x0200,
    bDeviceClass: await hex("bDeviceClass"),
    bDeviceSubClass: await hex("bDeviceSubClass"),
    bDeviceProtocol: await hex("bDeviceProtocol"),
    bMaxPacketSize0: Number(await text(path, "bMaxPacketSize0")) || 0,
    idVendor: await hex("idVendor"),
    idProduct: await hex("idProduct"),
    bcdDevice: await hex("bcdDevice"),
    iManufacturer: 0,
    iProduct: 0,
    iSerialNumber: 0,
    bNumConfigurations: 0,
  });
}

async function driverOf(path: string): Promise<string | undefined> {
  const link = await readlink(join(path, "driver")).catch(() => undefined);
  return link === undefined ? undefined : basename(link);
}

/** Their folders are named BUSID:CONFIGURATION.NUMBER, which no lock guards. */
async function interfacesOf(
  path: string,
  name: string,
): Promise<{ readonly configuration: number; readonly list: readonly HardwareInterface[] }> {
  const entries = await readdir(path).catch(() => []);
  let configuration = 0;
  const found = await Promise.all(
    entries
      .filter((entry) => entry.startsWith(`${name}:`))
      .map(async (entry): Promise<HardwareInterface> => {
        const [active, interfaceNumber] = entry.slice(name.length + 1).split(".");
        configuration = Number(active);
        const driver = await driverOf(join(path, entry));
        const number = Number(interfaceNumber);
        return driver === undefined ? { number } : { number, driver };
      }),
  );
  return { configuration, list: found.toSorted((one, other) => one.number - other.number) };
}

async function refusal(node: string): Promise<"missing" | "denied" | undefined> {
  try {
    await access(node, constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? "missing" : "denied";
  }
}

function padded(value: number): string {
  return String(value).padStart(3, "0");
}
