import type { HardwareDevice } from "../../hardware/hardware-device.ts";
import { usbIds } from "./hardware-identity.ts";

/** What keeps this user from a device, and what to do about it; nothing if nothing does. */
export function accessAdvice(device: HardwareDevice): string | undefined {
  const { access, busid, node } = device;
  if (access === undefined) return undefined;
  if (access === "missing") {
    return `${busid} has no device node: ${node} is missing. Mount devtmpfs at /dev, or give the container its devices.`;
  }
  return (
    `this user may not open ${busid} (${node}). Run usbferry as root, or let this user: ` +
    `echo '${udevRule(device)}' | sudo tee /etc/udev/rules.d/70-usbferry.rules && sudo udevadm control --reload && ` +
    "sudo udevadm trigger --subsystem-match=usb"
  );
}

/** Gives the device to who is logged in, and to the group that this process runs as. */
function udevRule(device: HardwareDevice): string {
  const { vid, pid } = usbIds(device);
  return (
    `SUBSYSTEM=="usb", ATTR{idVendor}=="${vid}", ATTR{idProduct}=="${pid}", ` +
    `MODE="0660", GROUP="${process.getgid?.() ?? 0}", TAG+="uaccess"`
  );
}
