import { opendir, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { AccessDenied, Failed } from "../failure.ts";

/** The unit of a disk. */
const BLOCK = 512;
/** Entries of one folder that are looked at, and those that are looked at together. */
const ENTRIES = 2_000;
const TOGETHER = 50;

/** What a folder has for disks. */
export interface ImageFolder {
  readonly folder: string;
  readonly parent?: string;
  readonly folders: readonly string[];
  readonly images: readonly { readonly name: string; readonly size: number }[];
  /** It has more entries than were looked at. */
  readonly more: boolean;
}

/** What is in a folder, hidden entries left out. Rejects with AccessDenied or Failed. */
export async function listImages(path = homedir()): Promise<ImageFolder> {
  const folder = resolve(path);
  const { names, more } = await namesIn(folder);
  const folders: string[] = [];
  const images: { name: string; size: number }[] = [];
  for (let at = 0; at < names.length; at += TOGETHER) {
    const some = names.slice(at, at + TOGETHER);
    // oxlint-disable-next-line no-await-in-loop -- a folder of a distant disk must not take every thread that reads files
    const found = await Promise.all(some.map((name) => stat(join(folder, name)).catch(() => undefined)));
    for (const [i, facts] of found.entries()) {
      const name = some[i]!;
      if (facts?.isDirectory() === true) folders.push(name);
      // Commas part the options of a gadget.
      else if (facts?.isFile() === true && isImage(facts.size) && !join(folder, name).includes(",")) {
        images.push({ name, size: facts.size });
      }
    }
  }
  const parent = dirname(folder);
  return { folder, ...(parent !== folder && { parent }), folders, images, more };
}

async function namesIn(
  folder: string,
): Promise<{ readonly names: readonly string[]; readonly more: boolean }> {
  const names: string[] = [];
  try {
    // It closes itself behind the loop.
    for await (const { name } of await opendir(folder)) {
      if (name.startsWith(".")) continue;
      if (names.length === ENTRIES) return { names: names.toSorted(), more: true };
      names.push(name);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EACCES" || code === "EPERM") {
      throw new AccessDenied(`the host may not read the folder ${folder}. Name another one.`);
    }
    throw new Failed(`the folder ${folder} cannot be read (${code}). Name another one.`);
  }
  return { names: names.toSorted(), more: false };
}

function isImage(size: number): boolean {
  return size > 0 && size % BLOCK === 0;
}
