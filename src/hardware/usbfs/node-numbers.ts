import { fstatSync } from "node:fs";

/** USB_DEVICE_MAJOR, and how minor numbers follow from those of a bus and a device on it (linux: include/linux/usb.h). */
const MAJOR = 189;
const DEVICES_PER_BUS = 128;

/** Which device the node of usbfs belongs to. */
export interface NodeNumbers {
  readonly busnum: number;
  readonly devnum: number;
}

/** Those behind a descriptor; nothing if that is none of a node of usbfs. */
export function nodeNumbers(fd: number): NodeNumbers | undefined {
  try {
    const stats = fstatSync(fd);
    return stats.isCharacterDevice() ? numbersOf(stats.rdev) : undefined;
  } catch {
    return undefined;
  }
}

/** `device` is a dev_t as stat(2) tells it: the major number stands in bits 8 to 19. */
export function numbersOf(device: number): NodeNumbers | undefined {
  if (((device >> 8) & 0xfff) !== MAJOR) return undefined;
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
  return { busnum: 1 + Math.floor(minor / DEVICES_PER_BUS), devnum: 1 + (minor % DEVICES_PER_BUS) };
}
