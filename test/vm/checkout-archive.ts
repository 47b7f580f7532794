import { existsSync, readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type ArchiveEntry, directory, file, packInitramfs } from "./debian/initramfs.ts";

/** What node loads, and what stacks are printed with. */
const LOADED = /\.(js|cjs|mjs|json|node|js\.map)$/;

/** Files below one folder of the checkout, by their paths from its top. */
interface Part {
  readonly folder: string;
  readonly isWanted: (path: string) => boolean;
}

/**
 * The compiled checkout with the packages it needs at run time, as an archive that the kernel unpacks to /repo: hundreds
 * of small files are read from memory, and a build while the guest runs does not change what it judges.
 */
export async function checkoutArchive(checkout: string): Promise<Buffer> {
  const parts: Part[] = [
    { folder: "dist", isWanted: (path) => LOADED.test(path) },
    ...runtimePackages(checkout).map((folder) => ({
      folder,
      isWanted: (path: string) =>
        LOADED.test(path) &&
        !path.endsWith(".map") &&
        !path.slice(folder.length + 1).includes("node_modules/"),
    })),
  ];
  const paths = (await Promise.all(parts.map((part) => wantedPaths(checkout, part)))).flat();
  const folders = new Set(["repo"]);
  const entries: ArchiveEntry[] = [];
  const contents = await Promise.all(
    ["package.json", ...paths].map(async (path) => ({ path, data: await readFile(join(checkout, path)) })),
  );
  for (const { path, data } of contents) {
    for (const folder of parentsOf(`repo/${path}`)) folders.add(folder);
    entries.push(file(`repo/${path}`, data));
  }
  return packInitramfs([...[...folders].map(directory), ...entries]);
}

async function wantedPaths(checkout: string, { folder, isWanted }: Part): Promise<string[]> {
  const names = await readdir(join(checkout, folder), { recursive: true, withFileTypes: true });
  return names
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(checkout.length + 1))
    .filter(isWanted);
}

/** Folders of the packages that an installation for users has here, by the lock file. */
function runtimePackages(checkout: string): string[] {
  const lock = JSON.parse(readFileSync(join(checkout, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, { readonly dev?: true }>>;
  };
  return Object.entries(lock.packages)
    .filter(([folder, { dev }]) => folder !== "" && dev !== true && existsSync(join(checkout, folder)))
    .map(([folder]) => folder);
}

/** Outermost first: the kernel makes no folder by itself. */
function parentsOf(path: string): string[] {
  const parent = dirname(path);
  return parent === "." ? [] : [...parentsOf(parent), parent];
}
