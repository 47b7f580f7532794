import { SystemError } from "../../linux/system-error.ts";
import { DeviceDescriptor } from "../../usb/descriptors.ts";
import type { OpenError } from "../../usb/device.ts";
import { goneRefusal, nameOf } from "../device-refusal.ts";
import type { HardwareDevice } from "../hardware-device.ts";

const ENOENT = 2;
const EACCES = 13;
const EPERM = 1;
const EBUSY = 16;
const ENODEV = 19;

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
          `${name}: this user may not open ${device.node}. Run usbferry as root, or give the device to this user with a ` +
          `udev rule: SUBSYSTEM=="usb", ATTR{idVendor}=="${hex(DeviceDescriptor.idVendor(device.descriptors, 0))}", ` +
          `ATTR{idProduct}=="${hex(DeviceDescriptor.idProduct(device.descriptors, 0))}", MODE="0660", TAG+="uaccess"`,
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

export function takenRefusal(device: HardwareDevice, driver: string): OpenError {
  const advice = driver === "usbip-host" ? `\`usbip unbind -b ${device.busid}\`` : "unbind that driver first";
  return { reason: "busy", message: `${nameOf(device)}: the driver ${driver} has all of it; ${advice}` };
}

function hex(id: number): string {
  return id.toString(16).padStart(4, "0");
}
