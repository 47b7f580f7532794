import type { OpenError } from "../usb/device.ts";
import type { HardwareDevice } from "./hardware-device.ts";

/** How a person knows the device. */
export function nameOf({ busid, product }: HardwareDevice): string {
  return product === undefined ? busid : `${product} (${busid})`;
}

export function goneRefusal(device: HardwareDevice): OpenError {
  return { reason: "gone", message: `${nameOf(device)} is unplugged; plug it in again first` };
}

export function busyRefusal(device: HardwareDevice): OpenError {
  return { reason: "busy", message: `${nameOf(device)} is in use; detach it where it is attached first` };
}

export function failedRefusal(device: HardwareDevice, { message }: { readonly message: string }): OpenError {
  return { reason: "failed", message: `${nameOf(device)} cannot be opened: ${message}` };
}
