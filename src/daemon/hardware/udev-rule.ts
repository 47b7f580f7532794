import type { HardwareDevice } from "../../hardware/hardware-device.ts";
import { usbIds } from "./hardware-identity.ts";

export const UDEV_RULES = "/etc/udev/rules.d/70-usbferry.rules";

/** What keeps this user from a device, and what to do about it; nothing if nothing does. */
export function accessAdvice(device: HardwareDevice): string | undefined {
  const { access, busid, node } = device;
  if (access === undefined) return undefined;
  if (access === "missing") {
    return `${busid} has no device node: ${node} is missing. Mount devtmpfs at /dev, or give the container its devices.`;
  }
  const { vid, pid } = usbIds(device);
  return (
    `this user may not open ${busid} (${node}). Run usbferry as root, or let this user: ` +
    `echo '${udevRule(vid, pid)}' | sudo tee ${UDEV_RULES} && sudo udevadm control --reload && ` +
    "sudo udevadm trigger --subsystem-match=usb"
  );
}

/** Gives the device to who is logged in at the machine, and to a group: by itself the one that this process runs as. */
export function udevRule(vid: string, pid: string, group: number | string = process.getgid?.() ?? 0): string {
  return (
    `SUBSYSTEM=="usb", ATTR{idVendor}=="${vid}", ATTR{idProduct}=="${pid}", ` +
    `MODE="0660", GROUP="${group}", TAG+="uaccess"`
  );
}
