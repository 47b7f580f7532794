import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { outputOf } from "./program.ts";

/** What a module says about itself in its section .modinfo. */
export interface ModuleInfo {
  readonly depends: readonly string[];
  readonly aliases: readonly string[];
}

/** The kernel writes `usb_storage` where the file is called `usb-storage.ko`. */
export function moduleName(path: string): string {
  return basename(path)
    .replace(/\.ko(\.xz)?$/, "")
    .replaceAll("-", "_");
}

/** Reads section .modinfo of a 64-bit little-endian ELF object: strings `key=value`, each ended by a zero. */
export function parseModuleInfo(object: Uint8Array): ModuleInfo {
  const view = new DataView(object.buffer, object.byteOffset, object.byteLength);
  if (object.length < 64 || view.getUint32(0) !== 0x7f454c46)
    throw new Error("A kernel module is not an ELF file.");
  const sections = Number(view.getBigUint64(0x28, true)); // e_shoff
  const size = view.getUint16(0x3a, true); // e_shentsize
  const count = view.getUint16(0x3c, true); // e_shnum
  const section = (index: number): Uint8Array => {
    const at = sections + index * size;
    const offset = Number(view.getBigUint64(at + 0x18, true)); // sh_offset
    return object.subarray(offset, offset + Number(view.getBigUint64(at + 0x20, true))); // sh_size
  };
  const names = Buffer.from(section(view.getUint16(0x3e, true))).toString("latin1"); // e_shstrndx
  for (let index = 0; index < count; index++) {
    const start = view.getUint32(sections + index * size, true); // sh_name
    if (names.slice(start, names.indexOf("\0", start)) === ".modinfo") return parseStrings(section(index));
  }
  throw new Error("A kernel module has no section .modinfo.");
}

function parseStrings(section: Uint8Array): ModuleInfo {
  const depends: string[] = [];
  const aliases: string[] = [];
  for (const entry of Buffer.from(section).toString("latin1").split("\0")) {
    if (entry.startsWith("depends="))
      depends.push(...entry.slice(8).split(",").filter(Boolean).map(moduleName));
    if (entry.startsWith("alias=")) aliases.push(entry.slice(6));
  }
  return { depends, aliases };
}

/** All that a module needs loaded before itself, first needed first. */
export function loadOrder(name: string, dependsOn: (name: string) => readonly string[]): string[] {
  const order: string[] = [];
  const visit = (module: string): void => {
    if (order.includes(module)) return;
    for (const needed of dependsOn(module)) visit(needed);
    order.push(module);
  };
  visit(name);
  return order.slice(0, -1);
}

/** Modules as files of one flat folder, with the tables that modprobe reads. */
export class ModuleFolder {
  readonly #folder: string;
  readonly #info: ReadonlyMap<string, ModuleInfo>;

  private constructor(folder: string, info: ReadonlyMap<string, ModuleInfo>) {
    this.#folder = folder;
    this.#info = info;
  }

  /**
   * Takes from a kernel package's module tree every module below the named folders, every named module, and what these
   * depend on, into `folder`, unpacked.
   */
  static async fill(
    folder: string,
    tree: string,
    wanted: { readonly folders: readonly string[]; readonly names: readonly string[] },
    xz: readonly string[],
  ): Promise<ModuleFolder> {
    await mkdir(folder, { recursive: true });
    const files = new Map<string, string>();
    for (const path of await readdir(tree, { recursive: true }))
      if (/\.ko(\.xz)?$/.test(path)) files.set(moduleName(path), path);
    const chosen = [...files].filter(([, path]) =>
      wanted.folders.some((name) => path.startsWith(`kernel/${name}/`)),
    );
    const info = new Map<string, ModuleInfo>();
    let missing = new Set([...chosen.map(([name]) => name), ...wanted.names.map(moduleName)]);
    while (missing.size > 0) {
      // A name without a file is built into the kernel.
      const batch = [...missing].flatMap((name) => (files.has(name) ? [files.get(name)!] : []));
      await unpackModules(
        batch.map((path) => join(tree, path)),
        folder,
        xz,
      );
      missing = new Set();
      for (const name of batch.map(moduleName))
        info.set(name, parseModuleInfo(await readFile(join(folder, `${name}.ko`))));
      for (const { depends } of info.values())
        for (const name of depends) if (!info.has(name) && files.has(name)) missing.add(name);
    }
    const result = new ModuleFolder(folder, info);
    await result.#writeTables();
    return result;
  }

  /** These modules and what they need, in the order to load them in; built-in ones are left out. */
  inOrder(names: readonly string[]): string[] {
    const order = new Set<string>();
    for (const name of names.map(moduleName))
      for (const module of [...this.#needs(name), name]) if (this.#info.has(module)) order.add(module);
    return [...order];
  }

  read(name: string): Promise<Buffer> {
    return readFile(join(this.#folder, `${name}.ko`));
  }

  #needs(name: string): string[] {
    return loadOrder(name, (module) => this.#info.get(module)?.depends ?? []);
  }

  async #writeTables(): Promise<void> {
    const dependencies: string[] = [];
    const aliases: string[] = [];
    for (const [name, { aliases: own }] of this.#info) {
      // modprobe loads the list from its end.
      dependencies.push(
        `${[
          `${name}.ko:`,
          ...this.#needs(name)
            .toReversed()
            .map((needed) => `${needed}.ko`),
        ].join(" ")}\n`,
      );
      for (const alias of own) aliases.push(`alias ${alias} ${name}\n`);
    }
    await writeFile(join(this.#folder, "modules.dep"), dependencies.join(""));
    await writeFile(join(this.#folder, "modules.alias"), aliases.join(""));
    await writeFile(join(this.#folder, "modules.symbols"), "");
  }
}

async function unpackModules(paths: readonly string[], folder: string, xz: readonly string[]): Promise<void> {
  const packed: string[] = [];
  for (const path of paths) {
    const target = join(folder, `${moduleName(path)}.ko${path.endsWith(".xz") ? ".xz" : ""}`);
    await copyFile(path, target);
    if (target.endsWith(".xz")) packed.push(target);
  }
  // Two at once, for a machine with two cores; small slices keep the command line short.
  const half = Math.ceil(packed.length / 2);
  for (let at = 0; at < half; at += 200) {
    const end = Math.min(half, at + 200);
    const slices = [packed.slice(at, end), packed.slice(half + at, half + end)].filter(
      (slice) => slice.length > 0,
    );
    await Promise.all(slices.map((slice) => outputOf([...xz, "-dq", ...slice])));
  }
}
