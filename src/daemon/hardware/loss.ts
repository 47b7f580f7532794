import { readdirSync, realpathSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { HardwareDevice } from "../../hardware/hardware-device.ts";
import { BOOT_PROTOCOL_NAMES, BOOT_SUBCLASS, HID_CLASS } from "../../usb/class-codes.ts";
import { type Descriptors, parseDescriptors } from "../../usb/descriptor-walk.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import type { MachineRoots } from "./machine-roots.ts";

const HUB_CLASS = 0x09;
const KEYBOARD = Array.from(BOOT_PROTOCOL_NAMES).find(([, name]) => name === "Keyboard")![0];

/**
 * What this machine would lose with a device, as the rest of a sentence that begins with its bus id; nothing if it can
 * do without.
 */
export async function lossOf(
  device: HardwareDevice,
  all: readonly HardwareDevice[],
  roots: MachineRoots,
): Promise<string | undefined> {
  const descriptors = parseDescriptors(device.descriptors);
  if (!(descriptors instanceof ProtocolError) && descriptors.device.bDeviceClass === HUB_CLASS) {
    return hubLoss(device, all);
  }
  if (
    isKeyboardInUse(device) &&
    !all.some((other) => other.busid !== device.busid && isKeyboardInUse(other))
  ) {
    return "is the last keyboard of this machine: nobody could type here any more";
  }
  return diskLoss(device, roots);
}

function hubLoss({ busid }: HardwareDevice, all: readonly HardwareDevice[]): string {
  const below = all.filter((other) => other.busid.startsWith(`${busid}.`)).map((other) => other.busid);
  return below.length === 0
    ? "is a hub: what is plugged into it would be lost with it"
    : `is a hub: ${below.join(", ")} would be lost with it`;
}

/** A keyboard that somebody can type on here, and not one that is somewhere else. */
function isKeyboardInUse(device: HardwareDevice): boolean {
  if (device.imported || !device.interfaces.some(({ driver }) => driver === "usbhid")) return false;
  const descriptors = parseDescriptors(device.descriptors);
  return !(descriptors instanceof ProtocolError) && keyboardInterfaces(device, descriptors).length > 0;
}

function keyboardInterfaces(device: HardwareDevice, { configurations }: Descriptors): readonly number[] {
  const taken = new Set(
    device.interfaces.filter(({ driver }) => driver === "usbhid").map(({ number }) => number),
  );
  return configurations
    .flatMap(({ settings }) => settings)
    .filter(
      ({ descriptor }) =>
        descriptor.bInterfaceClass === HID_CLASS &&
        descriptor.bInterfaceSubClass === BOOT_SUBCLASS &&
        descriptor.bInterfaceProtocol === KEYBOARD &&
        taken.has(descriptor.bInterfaceNumber),
    )
    .map(({ descriptor }) => descriptor.bInterfaceNumber);
}

async function diskLoss({ path }: HardwareDevice, roots: MachineRoots): Promise<string | undefined> {
  const disks = await disksBelow(path, roots);
  if (disks.size === 0) return undefined;
  const [mountinfo, swaps] = await Promise.all(
    ["self/mountinfo", "swaps"].map((file) => readFile(join(roots.proc, file), "utf8").catch(() => "")),
  );
  const mounted = mountPoints(mountinfo!, disks);
  const isSwap = swaps!.split("\n").some((line) => disks.has(basename(line.split(/\s/)[0]!)));
  if (mounted.length > 0) {
    const what = mounted.includes("/") ? "the file system this machine runs from" : "a mounted file system";
    return `holds ${what} (${mounted.join(", ")}), which would be lost`;
  }
  return isSwap ? "holds swap space that is in use, and what is in it would be lost" : undefined;
}

/** Block devices on a USB device, and those that stand on them (encryption, RAID, LVM): numbers by name. */
async function disksBelow(path: string, { sysfs }: MachineRoots): Promise<ReadonlyMap<string, string>> {
  const blocks = join(sysfs, "class/block");
  const folders = new Map<string, string>();
  for (const name of namesIn(blocks)) {
    const folder = target(join(blocks, name));
    if (folder !== undefined) folders.set(name, folder);
  }
  const disks = new Map<string, string>();
  const found = Array.from(folders.keys()).filter((name) => folders.get(name)!.startsWith(`${path}/`));
  for (let name = found.pop(); name !== undefined; name = found.pop()) {
    const folder = folders.get(name);
    if (folder === undefined || disks.has(name)) continue;
    // oxlint-disable-next-line no-await-in-loop -- each leads to the next
    const [numbers, holders] = await Promise.all([
      readFile(join(folder, "dev"), "utf8").catch(() => ""),
      readdir(join(folder, "holders")).catch(() => []),
    ]);
    if (numbers !== "") disks.set(name, numbers.trim());
    found.push(...holders);
  }
  return disks;
}

/** Nothing in these waits for a device, and turns of a thread pool would take longer: whoever plugs it in waits. */
function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function target(link: string): string | undefined {
  try {
    return realpathSync.native(link);
  } catch {
    return undefined;
  }
}

/** proc(5): id, parent, major:minor, root, mount point, ... - type, source, options. */
function mountPoints(mountinfo: string, disks: ReadonlyMap<string, string>): readonly string[] {
  const numbers = new Set(disks.values());
  return mountinfo
    .split("\n")
    .map((line) => line.split(" "))
    .filter((fields) => {
      // btrfs has numbers of its own, and names its disk.
      const source = fields[fields.indexOf("-") + 2];
      return numbers.has(fields[2] ?? "") || (source?.startsWith("/dev/") && disks.has(basename(source)));
    })
    .map((fields) =>
      (fields[4] ?? "").replace(/\\([0-7]{3})/g, (_, octal) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      ),
    );
}
