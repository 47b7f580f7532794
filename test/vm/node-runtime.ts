import { createHash } from "node:crypto";
import { constants, existsSync } from "node:fs";
import { copyFile, mkdir, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { outputOf } from "./debian/program.ts";
import type { Userland } from "./debian/userland.ts";

// Debian's own nodejs reads some of its built-in modules from here at run time. The names are in its binaries.
const DEBIAN_BUILTINS = "/usr/share/nodejs/";

/**
 * A folder with the node program that runs us, for the guest to run too: `bin/node`, `lib/` with the libraries that the
 * guest's userland lacks, and `share/` where this is Debian's nodejs. It lies in the bed, and is forgotten with it.
 */
export async function nodeRuntime(bed: string, userland: Userland): Promise<string> {
  const node = await realpath(process.execPath);
  const { size, mtimeMs } = await stat(node);
  const identity = createHash("sha256").update(`${node} ${size} ${mtimeMs}`).digest("hex");
  const folder = join(bed, `node-${process.version}-${identity.slice(0, 12)}`);
  if (existsSync(folder)) return folder;

  const work = `${folder}.${process.pid}`;
  await mkdir(join(work, "bin"), { recursive: true });
  await mkdir(join(work, "lib"));
  await copyFile(node, join(work, "bin/node"), constants.COPYFILE_FICLONE);
  const own = (await librariesOf(node)).filter(
    (library) => !existsSync(join(userland.libraries, basename(library))),
  );
  for (const library of own) await copyFile(await realpath(library), join(work, "lib", basename(library)));
  for (const binary of [node, ...own]) {
    for (const builtin of await builtinFiles(binary)) {
      const target = join(work, "share", relative(DEBIAN_BUILTINS, builtin));
      await mkdir(dirname(target), { recursive: true });
      await copyFile(builtin, target);
    }
  }
  try {
    await rename(work, folder);
  } catch (error) {
    await rm(work, { recursive: true });
    if (!existsSync(folder)) throw error; // else another test run was first
  }
  return folder;
}

async function builtinFiles(binary: string): Promise<string[]> {
  const bytes = await readFile(binary);
  const files = new Set<string>();
  for (let at = bytes.indexOf(DEBIAN_BUILTINS); at >= 0; at = bytes.indexOf(DEBIAN_BUILTINS, at + 1)) {
    const path = bytes.toString("latin1", at, bytes.indexOf(0, at));
    if (path.endsWith(".js") && existsSync(path)) files.add(path);
  }
  return [...files];
}

async function librariesOf(program: string): Promise<string[]> {
  const listing = await outputOf(["ldd", program]);
  return listing.split("\n").flatMap((line) => /=> (\/\S+)/.exec(line)?.[1] ?? []);
}
