import { constants, existsSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { type PciRingAddress, printAddress } from "./address.ts";
import { LinkError, linkError } from "./link-error.ts";
import { mapWholeFile, type WholeFile } from "./whole-file.ts";

/** Inter-VM shared memory (qemu: docs/specs/ivshmem-spec.rst). */
const VENDOR = 0x1af4;
const DEVICE = 0x1110;

/** BAR 2 is the memory. Write combining first: in a guest's eyes it is never plain memory. */
const BARS = ["resource2_wc", "resource2"];

/**
 * Maps the memory that this virtual machine shares with its host, by an ivshmem device of QEMU. Nothing is known then
 * about what stands in it. Needs root.
 */
export function mapPciMemory(address: PciRingAddress, sysfs = "/sys"): WholeFile | LinkError {
  const devices = `${sysfs}/bus/pci/devices`;
  const place = `${devices}/${fullName(address.device)}`;
  if (!isSharedMemory(place)) return notThere(address, devices, place);
  const fd = openBar(place);
  return typeof fd === "number" ? mapWholeFile(fd, printAddress(address)) : cannotOpen(address, fd);
}

function cannotOpen(address: PciRingAddress, cause: NodeJS.ErrnoException): LinkError {
  const subject = printAddress(address);
  switch (cause.code) {
    case "EACCES":
      return new LinkError(
        "EACCES",
        `cannot reach ${subject}: the memory of a PCI device is for root alone (EACCES). Use sudo.`,
        cause,
      );
    case "EPERM":
      return new LinkError(
        "EPERM",
        `cannot reach ${subject}: this kernel lets no program have the memory of a PCI device (EPERM). It is in lockdown: ` +
          "`cat /sys/kernel/security/lockdown`; start the virtual machine without Secure Boot.",
        cause,
      );
    case "ENOENT":
      return new LinkError(
        "ENOENT",
        `cannot reach ${subject}: the device has no memory there (ENOENT). Give it some: -device ivshmem-plain,memdev=...`,
        cause,
      );
    default:
      return linkError("dial", subject, cause);
  }
}

/** With its domain, as /sys has it. */
function fullName(device: string): string {
  return (device.length === "00:05.0".length ? `0000:${device}` : device).toLowerCase();
}

/** Without a driver nobody has enabled the device, if its firmware has not. */
function openBar(place: string): number | NodeJS.ErrnoException {
  let missing: NodeJS.ErrnoException | undefined;
  for (const bar of BARS) {
    try {
      if (readFileSync(`${place}/enable`, "latin1").trim() === "0") writeFileSync(`${place}/enable`, "1");
      return openSync(`${place}/${bar}`, constants.O_RDWR);
    } catch (error) {
      missing = error as NodeJS.ErrnoException;
      if (missing.code !== "ENOENT") break;
    }
  }
  return missing!;
}

function isSharedMemory(place: string): boolean {
  return readNumber(`${place}/vendor`) === VENDOR && readNumber(`${place}/device`) === DEVICE;
}

/** What /sys writes as 0x1af4; nothing where there is no such file. */
function readNumber(path: string): number | undefined {
  try {
    return Number(readFileSync(path, "latin1"));
  } catch {
    return undefined;
  }
}

function notThere(address: PciRingAddress, devices: string, place: string): LinkError {
  const found = sharedMemories(devices);
  const what = existsSync(place)
    ? `the device there is ${ids(place)}, and shared memory is 1af4:1110`
    : "there is no PCI device at this place";
  const next =
    found.length === 0
      ? "This machine has no shared memory: start it with `-device ivshmem-plain,memdev=...`."
      : `Use ${found.map((device) => printAddress({ ...address, device })).join(" or ")}.`;
  return new LinkError("ENODEV", `cannot reach ${printAddress(address)}: ${what} (ENODEV). ${next}`);
}

function ids(place: string): string {
  return ["vendor", "device"]
    .map((name) => (readNumber(`${place}/${name}`) ?? 0).toString(16).padStart(4, "0"))
    .join(":");
}

function sharedMemories(devices: string): readonly string[] {
  try {
    return readdirSync(devices).filter((name) => isSharedMemory(`${devices}/${name}`));
  } catch {
    return [];
  }
}
