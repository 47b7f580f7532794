import { SystemError } from "../../linux/system-error.ts";
import type { OpenError } from "../../usb/device.ts";
import type { HardwareDevice } from "../hardware-device.ts";

const ENOENT = 2;
const EACCES = 13;
const EPERM = 1;
const EBUSY = 16;
const ENODEV = 19;

/** How a person knows the device. */
export function nameOf({ busid, product }: HardwareDevice): string {
  return product === undefined ? busid : `${product} (${busid})`;
}

/** Why a call on the way to an open device failed; `errno` as a positive number. */
export function openRefusal(device: HardwareDevice, call: string, errno: number): OpenError {
  const name = nameOf(device);
  switch (errno) {
    case ENOENT:
    case ENODEV:
      return goneRefusal(device);
    case EACCES:
    case EPERM:
      return {
        reason: "denied",
        message:
          `${name}: this user may not open ${device.node}. Run usbferry as root, or give the user the device with a udev ` +
          `rule: SUBSYSTEM=="usb", ATTR{busnum}=="${device.busnum}", ATTR{devnum}=="${device.devnum}", MODE="0660", ` +
          `GROUP="plugdev"`,
      };
    case EBUSY:
      return {
        reason: "busy",
        message: `${name}: another program uses it through ${device.node}. End that program (\`fuser ${device.node}\` names it).`,
      };
    default:
      return {
        reason: "failed",
        message: `${name}: ${new SystemError(call, errno).message} Unplug it and plug it in again.`,
      };
  }
}

export function goneRefusal(device: HardwareDevice): OpenError {
  return { reason: "gone", message: `${nameOf(device)} is unplugged; plug it in again first` };
}

export function busyRefusal(device: HardwareDevice): OpenError {
  return { reason: "busy", message: `${nameOf(device)} is in use; detach it where it is attached first` };
}
