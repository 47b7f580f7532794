import type { HardwareDevice } from "../../hardware/hardware-device.ts";
import { DeviceDescriptor } from "../../usb/descriptors.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import { hex4 } from "../device-description.ts";

/** How a real device is known again: by its serial number where it has one of its own, else by the port it is plugged into. */
export interface HardwareIdentity {
  readonly vid: string;
  readonly pid: string;
  readonly serial?: string;
  /** In the place of a serial number. */
  readonly busid?: string;
}

export interface Identified {
  readonly identity: HardwareIdentity;
  /** What a person has to know of it. */
  readonly warning?: string;
}

/** Four hexadecimal digits each. */
export function usbIds({ descriptors }: HardwareDevice): { readonly vid: string; readonly pid: string } {
  const device = DeviceDescriptor.decode(descriptors);
  if (device instanceof ProtocolError) return { vid: "0000", pid: "0000" };
  return { vid: hex4(device.idVendor), pid: hex4(device.idProduct) };
}

/** The identity that a device has among all that are plugged in. */
export function identify(device: HardwareDevice, all: readonly HardwareDevice[]): Identified {
  const { busid, serial } = device;
  const ids = usbIds(device);
  const alike = likes(device, all);
  if (serial !== undefined && alike.length === 0) return { identity: { ...ids, serial } };
  const identity = { ...ids, busid };
  return alike.length === 0
    ? { identity }
    : {
        identity,
        warning: alikeWarning([device, ...alike].map((each) => each.busid).toSorted(), ids, serial),
      };
}

/** Told of every group of devices that only their ports tell apart. */
export function alikeWarnings(devices: readonly HardwareDevice[]): readonly string[] {
  const warned = new Set<HardwareDevice>();
  const warnings: string[] = [];
  for (const device of devices) {
    if (device.imported || warned.has(device)) continue;
    const alike = likes(device, devices);
    if (alike.length === 0) continue;
    const group = [device, ...alike];
    for (const each of group) warned.add(each);
    warnings.push(
      alikeWarning(
        group.map(({ busid }) => busid),
        usbIds(device),
        device.serial,
      ),
    );
  }
  return warnings;
}

export function hasIdentity(device: HardwareDevice, identity: HardwareIdentity): boolean {
  const { vid, pid } = usbIds(device);
  if (identity.vid !== vid || identity.pid !== pid) return false;
  return identity.serial === undefined ? identity.busid === device.busid : identity.serial === device.serial;
}

export function isSameIdentity(one: HardwareIdentity, other: HardwareIdentity): boolean {
  return (["vid", "pid", "serial", "busid"] as const).every((key) => one[key] === other[key]);
}

/** For people: "0525:a4a0:serial", "0525:a4a0 at 1-2". */
export function printIdentity({ vid, pid, serial, busid }: HardwareIdentity): string {
  return serial === undefined ? `${vid}:${pid} at ${busid}` : `${vid}:${pid}:${serial}`;
}

/** Others with the same numbers, and the same serial number or none. */
function likes(device: HardwareDevice, all: readonly HardwareDevice[]): readonly HardwareDevice[] {
  const { vid, pid } = usbIds(device);
  return all.filter((other) => {
    if (other === device || other.imported || other.busid === device.busid) return false;
    const ids = usbIds(other);
    return ids.vid === vid && ids.pid === pid && other.serial === device.serial;
  });
}

function alikeWarning(
  busids: readonly string[],
  { vid, pid }: { readonly vid: string; readonly pid: string },
  serial: string | undefined,
): string {
  const why = serial === undefined ? "have no serial number" : `have the same serial number (${serial})`;
  return (
    `${busids.join(" and ")} are alike (${vid}:${pid}) and ${why}: they are told apart by their ports alone. ` +
    "Keep each in the port where it is."
  );
}
