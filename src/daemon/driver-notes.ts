import { untilBound } from "../vhci/driver-nodes.ts";
import { Vhci } from "../vhci/vhci.ts";
import { ClassDrivers } from "./doctor/class-drivers.ts";
import type { Finding } from "./doctor/finding.ts";
import { Kernel } from "./doctor/kernel.ts";
import { SystemRoot } from "./doctor/system-root.ts";
import { Udev } from "./doctor/udev.ts";

/** A driver whose module udev has to load first takes a moment; the others have their devices at once. */
const WITH_UDEV_MS = 1_000;
const WITHOUT_UDEV_MS = 100;

/**
 * What a user who has attached a device would otherwise find out by wondering: which of its interfaces no driver uses,
 * and why. By the checks of `usbferry doctor`; in the process of a command, never in the agent.
 */
export async function driverNotes(
  sysfsName: string,
  vhci = new Vhci(),
  root = new SystemRoot(),
): Promise<readonly Finding[]> {
  const udev = new Udev(root, process.getuid?.() ?? 0).run();
  const isRunning = udev.every(({ severity }) => severity === "ok");
  const interfaces = await untilBound(vhci, sysfsName, isRunning ? WITH_UDEV_MS : WITHOUT_UDEV_MS);
  if (interfaces.every(({ driver }) => driver !== undefined)) return [];
  const drivers = new ClassDrivers(root, new Kernel(root)).of(sysfsName);
  return [...drivers, ...udev].filter(({ severity }) => severity !== "ok");
}
