import { existsSync } from "node:fs";
import { boundInterfaces, untilBound } from "../vhci/driver-nodes.ts";
import { deviceAttribute } from "../vhci/kernel-device.ts";
import { Vhci } from "../vhci/vhci.ts";
import { CLASS_NAMES } from "./class-names.ts";

/** udev's own socket: it is there as long as udev runs. */
const UDEV = "/run/udev/control";
/** A driver whose module udev has to load first takes a moment; the others have their devices at once. */
const WITH_UDEV_MS = 1_000;
const WITHOUT_UDEV_MS = 100;

/** What a user would otherwise find out by wondering. For a device that is attached here; asked in a command, never in the agent. */
export async function driverNotes(
  sysfsName: string,
  vhci = new Vhci(),
  udev = UDEV,
): Promise<readonly string[]> {
  const hasUdev = existsSync(udev);
  await untilBound(vhci, sysfsName, hasUdev ? WITH_UDEV_MS : WITHOUT_UDEV_MS);
  const unused = (await boundInterfaces(vhci, sysfsName)).filter(({ driver }) => driver === undefined);
  if (unused.length === 0) return [];
  const words = [...new Set(unused.map(({ name }) => classOf(vhci, sysfsName, name)))].join(", ");
  const missing =
    `attached, but no driver of this kernel uses its ${words} interface${unused.length === 1 ? "" : "s"}. A program ` +
    "that brings its own driver can; otherwise `usbferry doctor` tells which module is missing.";
  if (hasUdev) return [missing];
  return [
    missing,
    "udev does not run here, so that no module is loaded by itself and nodes in /dev belong to root: load the module " +
      "with `sudo modprobe`, or start udev (WSL2: systemd=true below [boot] in /etc/wsl.conf).",
  ];
}

function classOf(vhci: Vhci, sysfsName: string, name: string): string {
  const code = deviceAttribute(vhci, `${sysfsName}/${name}`, "bInterfaceClass");
  return CLASS_NAMES.get(Number.parseInt(code, 16))?.toLowerCase() ?? `class ${code || "unknown"}`;
}
