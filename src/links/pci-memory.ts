import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { Arena } from "../linux/arena.ts";
import { SystemError } from "../linux/system-error.ts";
import { type PciRingAddress, printAddress } from "./address.ts";
import { SHARED_MEMORY_MAX } from "./handover.ts";
import { LinkError, linkError } from "./link-error.ts";

/** Inter-VM shared memory (qemu: docs/specs/ivshmem-spec.rst). */
const VENDOR = 0x1af4;
const DEVICE = 0x1110;

/** BAR 2 is the memory. Write combining first: in a guest's eyes it is never plain memory. */
const BARS = ["resource2_wc", "resource2"];

/**
 * Maps the memory that this virtual machine shares with its host, by an `ivshmem-plain` device of QEMU. Nothing is known then
 * about what stands in it. Needs root.
 */
export function mapPciMemory(address: PciRingAddress, sysfs = "/sys"): Arena | LinkError {
  const devices = `${sysfs}/bus/pci/devices`;
  const name = address.device.length === "00:05.0".length ? `0000:${address.device}` : address.device;
  const place = `${devices}/${name.toLowerCase()}`;
  if (!isSharedMemory(place)) return notThere(address, devices);
  const fd = openBar(place);
  if (typeof fd !== "number") return linkError("dial", printAddress(address), fd);
  const memory = mapBar(address, fd);
  closeSync(fd);
  if (memory instanceof SystemError) return linkError("dial", printAddress(address), memory);
  return memory;
}

function mapBar(address: PciRingAddress, fd: number): Arena | SystemError | LinkError {
  const { size } = fstatSync(fd);
  const isUsable = size > 0 && size <= SHARED_MEMORY_MAX && (size & (size - 1)) === 0;
  return isUsable
    ? Arena.of(fd, size)
    : new LinkError(
        "BAD_MEMORY",
        `cannot reach ${printAddress(address)}: its memory has ${size} bytes (BAD_MEMORY). ` +
          "Give the memory backend of the device a size of 4M, 8M, 16M, ... up to 256M.",
      );
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

function notThere(address: PciRingAddress, devices: string): LinkError {
  const found = sharedMemories(devices);
  const next =
    found.length === 0
      ? "This machine has none: start it with `-device ivshmem-plain,memdev=...`."
      : `Use ${found.map((device) => printAddress({ kind: "ring-pci", device })).join(" or ")}.`;
  return new LinkError(
    "ENODEV",
    `cannot reach ${printAddress(address)}: there is no shared memory (1af4:1110) at this place (ENODEV). ${next}`,
  );
}

function sharedMemories(devices: string): readonly string[] {
  try {
    return readdirSync(devices).filter((name) => isSharedMemory(`${devices}/${name}`));
  } catch {
    return [];
  }
}
