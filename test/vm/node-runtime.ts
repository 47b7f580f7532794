import { createHash } from "node:crypto";
import { constants, existsSync } from "node:fs";
import { copyFile, cp, mkdir, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { outputOf } from "./debian/program.ts";
import type { Userland } from "./debian/userland.ts";

// Debian's own nodejs reads some of its built-in modules from here at run time.
const DEBIAN_BUILTINS = "/usr/share/nodejs";
const BUILTIN_PACKAGES = ["acorn", "acorn-walk", "amaro", "cjs-module-lexer", "undici", "undici-types"];

/**
 * A folder with the node program that runs us, for the guest to run too: `bin/node`, `lib/` with the libraries that the
 * guest's userland lacks, and `share/` where this is Debian's nodejs.
 */
export async function nodeRuntime(cache: string, userland: Userland): Promise<string> {
  const node = await realpath(process.execPath);
  const { size, mtimeMs } = await stat(node);
  const identity = createHash("sha256").update(`${node} ${size} ${mtimeMs} ${userland.root}`).digest("hex");
  const folder = join(cache, `node-${process.version}-${identity.slice(0, 12)}`);
  if (existsSync(folder)) return folder;

  const work = `${folder}.${process.pid}`;
  await mkdir(join(work, "bin"), { recursive: true });
  await mkdir(join(work, "lib"));
  await copyFile(node, join(work, "bin/node"), constants.COPYFILE_FICLONE);
  for (const library of await librariesOf(node))
    if (!existsSync(join(userland.libraries, basename(library))))
      await copyFile(await realpath(library), join(work, "lib", basename(library)));
  for (const name of BUILTIN_PACKAGES) {
    const source = join(DEBIAN_BUILTINS, name);
    if (existsSync(source))
      await cp(source, join(work, "share", name), { recursive: true, dereference: true });
  }
  try {
    await rename(work, folder);
  } catch (error) {
    await rm(work, { recursive: true });
    if (!existsSync(folder)) throw error; // else another test run was first
  }
  return folder;
}

async function librariesOf(program: string): Promise<string[]> {
  const listing = await outputOf(["ldd", program]);
  return listing.split("\n").flatMap((line) => /=> (\/\S+)/.exec(line)?.[1] ?? []);
}
