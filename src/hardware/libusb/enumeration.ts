import { DeviceDescriptor } from "../../usb/descriptors.ts";
import { Speed } from "../../usb/speed.ts";
import type { HardwareDevice } from "../hardware-device.ts";
import { DEVICE_DESCRIPTOR_BYTES, PORTS_MAX } from "./abi.ts";
import { configurationBytes, joined } from "./configuration-bytes.ts";
import { listDevices } from "./device-list.ts";
import type { Libusb } from "./library.ts";

/** enum libusb_speed has the numbers of ours; 0 is one that is not known. */
const FASTEST: Speed = Speed.superPlus;
/** Longest string that a device can have, in the letters of libusb. */
const STRING_BYTES = 128;

type Strings = Pick<HardwareDevice, "manufacturer" | "product" | "serial">;

/**
 * Every device that is plugged in, in a context of its own: a list of an older one may be out of date. Strings of devices that
 * are in `known` are not asked for again; of others they are, which takes that the device can be opened.
 */
export async function enumerate(
  library: Libusb,
  known: readonly HardwareDevice[] = [],
): Promise<readonly HardwareDevice[]> {
  const out = new BigUint64Array(1);
  const failed = await new Promise<number>((resolve) => {
    library.init.async(out, (_, code) => resolve(code));
  });
  if (failed !== 0) return [];
  const context = Number(out[0]);
  const { devices, free } = await new Promise<Parameters<Parameters<typeof listDevices>[2]>[0]>((resolve) => {
    listDevices(library, context, resolve);
  });
  const found: HardwareDevice[] = [];
  for (const device of devices) {
    const read = readDevice(library, device);
    if (read === undefined) continue;
    const same = known.find((each) => isSame(each, read));
    // oxlint-disable-next-line no-await-in-loop -- one device after the other: each takes a thread
    const strings = same === undefined ? await stringsOf(library, device, read.descriptors) : textsOf(same);
    found.push({ ...read, ...strings });
  }
  free();
  await new Promise<void>((resolve) => {
    library.exit.async(context, () => resolve());
  });
  return found.toSorted((one, other) => one.busnum - other.busnum || comparePorts(one.busid, other.busid));
}

/** What is there without opening it; nothing of a root hub, which is part of the machine. */
function readDevice(library: Libusb, device: number): HardwareDevice | undefined {
  const ports = new Uint8Array(PORTS_MAX);
  const depth = library.getPortNumbers(device, ports, ports.length);
  if (depth <= 0) return undefined;
  const own = new Uint8Array(DEVICE_DESCRIPTOR_BYTES);
  if (library.getDeviceDescriptor(device, own) !== 0) return undefined;
  const busnum = library.getBusNumber(device);
  const devnum = library.getDeviceAddress(device);
  const busid = `${busnum}-${ports.subarray(0, depth).join(".")}`;
  const count = DeviceDescriptor.bNumConfigurations(own, 0);
  const configurations = Array.from({ length: count }, (_, index) => {
    return configuration(library, (out) => library.getConfigDescriptor(device, index, out));
  });
  const active = configuration(library, (out) => library.getActiveConfigDescriptor(device, out));
  return {
    busid,
    busnum,
    devnum,
    path: `libusb/${busid}`,
    node: `${busnum}.${devnum}`,
    speed: speedOf(library.getDeviceSpeed(device)),
    descriptors: joined([own, ...configurations]),
    configuration: active[5] ?? 0,
    interfaces: [],
  };
}

/** No bytes if the system does not tell. */
function configuration(library: Libusb, ask: (out: BigUint64Array) => number): Uint8Array {
  const out = new BigUint64Array(1);
  if (ask(out) !== 0) return new Uint8Array(0);
  const tree = Number(out[0]);
  const bytes = configurationBytes(library.memory, tree);
  library.freeConfigDescriptor(tree);
  return bytes;
}

function speedOf(number: number): Speed {
  return number === 0 ? Speed.full : (Math.min(number, FASTEST) as Speed);
}

async function stringsOf(library: Libusb, device: number, descriptors: Uint8Array): Promise<Strings> {
  const out = new BigUint64Array(1);
  const refused = await new Promise<number>((resolve) => {
    library.open.async(device, out, (_, code) => resolve(code));
  });
  if (refused !== 0) return {};
  const handle = Number(out[0]);
  const { iManufacturer, iProduct, iSerialNumber } = DeviceDescriptor;
  const manufacturer = await string(library, handle, iManufacturer(descriptors, 0));
  const product = await string(library, handle, iProduct(descriptors, 0));
  const serial = await string(library, handle, iSerialNumber(descriptors, 0));
  await new Promise<void>((resolve) => {
    library.close.async(handle, () => resolve());
  });
  return textsOf({ manufacturer, product, serial });
}

function string(library: Libusb, handle: number, index: number): Promise<string | undefined> {
  if (index === 0) return Promise.resolve(undefined);
  const bytes = new Uint8Array(STRING_BYTES);
  return new Promise((resolve) => {
    library.getStringDescriptorAscii.async(handle, index, bytes, bytes.length, (_, length) => {
      resolve(length > 0 ? new TextDecoder().decode(bytes.subarray(0, length)) : undefined);
    });
  });
}

function textsOf({
  manufacturer,
  product,
  serial,
}: { readonly [Name in keyof Strings]?: string | undefined }): Strings {
  return {
    ...(manufacturer !== undefined && { manufacturer }),
    ...(product !== undefined && { product }),
    ...(serial !== undefined && { serial }),
  };
}

/** The same one, plugged in once. */
export function isSame(one: HardwareDevice, other: HardwareDevice): boolean {
  return one.busid === other.busid && one.devnum === other.devnum && isAlike(one, other);
}

function isAlike(one: HardwareDevice, other: HardwareDevice): boolean {
  const { length } = one.descriptors;
  return (
    length === other.descriptors.length && one.descriptors.every((byte, i) => byte === other.descriptors[i])
  );
}

function comparePorts(one: string, other: string): number {
  return one.localeCompare(other, "en", { numeric: true });
}
