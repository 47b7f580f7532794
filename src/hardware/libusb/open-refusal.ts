import { DeviceDescriptor } from "../../usb/descriptors.ts";
import type { OpenError } from "../../usb/device.ts";
import { goneRefusal, nameOf } from "../device-refusal.ts";
import type { HardwareDevice } from "../hardware-device.ts";
import { LibusbError } from "./abi.ts";

const { ACCESS, BUSY, NO_DEVICE, NOT_FOUND, NOT_SUPPORTED } = LibusbError;

/** Why a call on the way to an open device failed. `error` is libusb's name of `code`. */
export function openRefusal(
  device: HardwareDevice,
  call: string,
  code: number,
  error: string,
  platform: NodeJS.Platform,
): OpenError {
  const name = nameOf(device);
  const isDriversFault = code === NOT_FOUND || code === NOT_SUPPORTED || code === ACCESS;
  if (platform === "win32" && isDriversFault) {
    return {
      reason: code === ACCESS ? "denied" : "failed",
      message:
        `${name}: ${call} failed (${error}). On Windows a program can have a device only if its driver is WinUSB, and if no ` +
        "other program has it. Give it that driver, with Zadig (https://zadig.akeo.ie) for example; with its usual driver back, " +
        "Windows itself can use it again.",
    };
  }
  switch (code) {
    case NO_DEVICE:
    case NOT_FOUND:
      return goneRefusal(device);
    case ACCESS:
      return { reason: "denied", message: `${name}: ${deniedAdvice(device, platform)}` };
    case BUSY:
      return {
        reason: "busy",
        message: `${name}: another program uses it. End that program, or take the device from it.`,
      };
    default:
      return {
        reason: "failed",
        message: `${name}: ${call} failed (${error}). Unplug it and plug it in again.`,
      };
  }
}

function deniedAdvice({ descriptors }: HardwareDevice, platform: NodeJS.Platform): string {
  if (platform === "darwin") {
    return "macOS keeps it for one of its drivers. Run usbferry as root: libusb may then take it.";
  }
  const [vid, pid] = [DeviceDescriptor.idVendor(descriptors, 0), DeviceDescriptor.idProduct(descriptors, 0)];
  return (
    "this user may not open it. Run usbferry as root, or give the device to this user with a udev rule: " +
    `SUBSYSTEM=="usb", ATTR{idVendor}=="${hex(vid)}", ATTR{idProduct}=="${hex(pid)}", MODE="0660", TAG+="uaccess"`
  );
}

function hex(id: number): string {
  return id.toString(16).padStart(4, "0");
}
