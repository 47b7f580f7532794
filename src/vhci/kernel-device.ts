import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { KernelNews } from "./kernel-news.ts";
import { PortState } from "./port-status.ts";
import type { KernelFolders, Vhci } from "./vhci.ts";
import { VhciError } from "./vhci-error.ts";

/** An attached device as this kernel has it. */
export interface KernelDevice {
  /** Below /sys/bus/usb/devices. */
  readonly sysfsName: string;
  /** /dev/bus/usb/BBB/DDD */
  readonly node: string;
}

/** The slowest device that Linux still accepts answers each of some ten requests after 5 s. */
const ENUMERATION_MS = 15_000;
/** A device that has its node and no interfaces after so long is one that Linux leaves unconfigured. */
const CONFIGURATION_MS = 3_000;

/** The device that a sysfs name stands for, once its node exists. */
export function kernelDevice({ folders }: Vhci, sysfsName: string): KernelDevice | undefined {
  const { sysfs, dev } = folders;
  const number = (name: string): string => readAttribute(join(sysfs, sysfsName, name)).padStart(3, "0");
  try {
    const node = join(dev, "bus/usb", number("busnum"), number("devnum"));
    return existsSync(node) ? { sysfsName, node } : undefined;
  } catch {
    return undefined; // not there yet, or not any more
  }
}

/**
 * One line of a device's folder in sysfs; empty where it has none. Strings and the configuration wait for the
 * device's lock, which the kernel holds while it asks the device: never read them in the process that relays.
 */
export function deviceAttribute({ folders }: Vhci, sysfsName: string, name: string): string {
  try {
    return readAttribute(join(folders.sysfs, sysfsName, name));
  } catch {
    return "";
  }
}

/** Its interfaces have folders of their own as soon as it is configured. */
function hasInterfaces({ sysfs }: KernelFolders, sysfsName: string): boolean {
  try {
    return readdirSync(join(sysfs, sysfsName)).some((name) => name.startsWith(`${sysfsName}:`));
  } catch {
    return false;
  }
}

/**
 * Waits until the device on a port has its node and a configuration, that is: until drivers can use it. A device
 * that no configuration suits is there without one. Rejects with a VhciError, or with what `signal` was aborted.
 */
export async function untilThere(vhci: Vhci, port: number, signal: AbortSignal): Promise<KernelDevice> {
  const news = KernelNews.open();
  try {
    return await look(vhci, port, news, signal);
  } finally {
    news.close();
    vhci.settled(port);
  }
}

async function look(vhci: Vhci, port: number, news: KernelNews, signal: AbortSignal): Promise<KernelDevice> {
  const endMs = performance.now() + ENUMERATION_MS;
  let nodeMs: number | undefined;
  for (;;) {
    const status = vhci.port(port);
    const { sysfsName } = status ?? {};
    if (status?.state === PortState.USED && sysfsName !== undefined) {
      const device = kernelDevice(vhci, sysfsName);
      nodeMs ??= device === undefined ? undefined : performance.now();
      const isUsable =
        hasInterfaces(vhci.folders, sysfsName) || performance.now() >= (nodeMs ?? endMs) + CONFIGURATION_MS;
      if (device !== undefined && isUsable) return device;
    }
    if (performance.now() >= endMs) throw noDevice(port, `within ${ENUMERATION_MS / 1_000} s`);
    if (status?.state === PortState.FREE) throw noDevice(port, "before the kernel let go of it");
    // oxlint-disable-next-line no-await-in-loop -- sysfs can only be asked again and again
    await news.next(signal);
  }
}

function noDevice(port: number, when: string): VhciError {
  return new VhciError(
    "NO_DEVICE",
    `attached to port ${port}, but no device came up ${when}. The kernel's log says what it disliked: sudo dmesg | tail`,
  );
}

function readAttribute(path: string): string {
  return readFileSync(path, "latin1").trim();
}
