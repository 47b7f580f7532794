import assert from "node:assert/strict";
import type { ClaimKeeper } from "../../../src/hardware/driver-claim.ts";
import type { HardwareDevice } from "../../../src/hardware/hardware-device.ts";
import { enumerate } from "../../../src/hardware/libusb/enumeration.ts";
import { libusb } from "../../../src/hardware/libusb/library.ts";
import { LibusbDevice } from "../../../src/hardware/libusb/libusb-device.ts";
import { UsbfsDevice } from "../../../src/hardware/usbfs/usbfs-device.ts";
import type { UsbDevice } from "../../../src/usb/device.ts";
import { readHardware } from "./hardware.ts";

/** By what a guest has a device of its own; libusb also as on systems without descriptors for it. */
export type RealSourceName = "usbfs" | "libusb" | "libusb-thread";

export function realSource(
  name: RealSourceName,
  hardware: HardwareDevice,
  options: { readonly claims?: ClaimKeeper } = {},
): UsbDevice {
  if (name === "usbfs") return new UsbfsDevice(hardware, options);
  return new LibusbDevice(hardware, { ...options, events: name === "libusb" ? "loop" : "thread" });
}

/** A device as its interface of the system tells it; libusb has to tell what sysfs tells. */
export async function findHardware(name: RealSourceName, busid: string): Promise<HardwareDevice> {
  const hardware = readHardware(busid);
  if (name === "usbfs") return hardware;
  const library = libusb();
  if (library instanceof Error) throw library;
  const found = (await enumerate(library)).find((device) => device.busid === busid);
  assert(found !== undefined, `libusb ${library.version} does not list ${busid}`);
  assert.deepEqual(facts(found), facts(hardware));
  return found;
}

function facts({ busnum, devnum, speed, descriptors, configuration, product, serial }: HardwareDevice) {
  return { busnum, devnum, speed, descriptors, configuration, product, serial };
}
