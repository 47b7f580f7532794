import { existsSync } from "node:fs";
import { readdir, readFile, readlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { KernelNews } from "./kernel-news.ts";
import type { KernelFolders, Vhci } from "./vhci.ts";

/** A driver that has to be loaded first takes a moment, and one that is missing never comes. */
const DRIVERS_MS = 2_000;
/** Interfaces have few levels below them: 1-1:1.0/host0/target0:0:0/0:0:0:0/block/sda/sda1 */
const DEPTH = 8;

/** An interface of an attached device, and who uses it. */
export interface BoundInterface {
  /** 1-1:1.0 */
  readonly name: string;
  readonly driver: string | undefined;
}

/** Interfaces of the active configuration, as this kernel has them. It asks nobody who could wait for the device. */
export async function boundInterfaces(
  { folders }: Vhci,
  sysfsName: string,
): Promise<readonly BoundInterface[]> {
  const folder = join(folders.sysfs, sysfsName);
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.startsWith(`${sysfsName}:`));
  return Promise.all(
    names.toSorted().map(async (name) => {
      const driver = await readlink(join(folder, name, "driver")).catch(() => undefined);
      return { name, driver: driver && basename(driver) };
    }),
  );
}

/** The same when every interface has its driver, the device has gone, or after `longestMs`. */
export async function untilBound(
  vhci: Vhci,
  sysfsName: string,
  longestMs = DRIVERS_MS,
): Promise<readonly BoundInterface[]> {
  const news = KernelNews.open();
  const limit = AbortSignal.timeout(longestMs);
  try {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- sysfs can only be asked again and again
      const interfaces = await boundInterfaces(vhci, sysfsName);
      const isBound = interfaces.length > 0 && interfaces.every(({ driver }) => driver !== undefined);
      const isGone = !existsSync(join(vhci.folders.sysfs, sysfsName));
      if (isBound || isGone || limit.aborted) return interfaces;
      // oxlint-disable-next-line no-await-in-loop
      await news.next(limit).catch(() => {});
    }
  } finally {
    news.close();
  }
}

/** Nodes in /dev that drivers have made of an attached device: /dev/ttyACM0, /dev/input/event3, ... */
export async function driverNodes({ folders }: Vhci, sysfsName: string): Promise<readonly string[]> {
  const folder = join(folders.sysfs, sysfsName);
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.startsWith(`${sysfsName}:`));
  const found = await Promise.all(names.map((name) => nodesBelow(folders, join(folder, name), DEPTH)));
  return found.flat().toSorted();
}

async function nodesBelow(folders: KernelFolders, folder: string, depth: number): Promise<readonly string[]> {
  if (depth === 0) return [];
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const own = entries.some((entry) => entry.name === "dev" && entry.isFile())
    ? await nodeOf(folders, folder)
    : [];
  const below = await Promise.all(
    entries
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => nodesBelow(folders, join(folder, name), depth - 1)),
  );
  return [...own, ...below.flat()];
}

async function nodeOf({ dev }: KernelFolders, folder: string): Promise<readonly string[]> {
  const uevent = await readFile(join(folder, "uevent"), "utf8").catch(() => "");
  const name = /^DEVNAME=(.+)$/m.exec(uevent)?.[1];
  return name === undefined ? [] : [join(dev, name)];
}
