import { gunzipSync } from "node:zlib";
import { modulesForAlias } from "./module-aliases.ts";
import { type Surroundings, surroundings } from "./surroundings.ts";
import type { SystemRoot } from "./system-root.ts";

/** What a kernel's configuration says of an option; nothing where it cannot be read. */
export type OptionValue = "y" | "m" | "n";

/** Where the code of a module is. */
export type ModulePlace = "loaded" | "built in" | "file" | "missing";

/** More than any configuration has when it is unpacked: some 300 KiB. */
const CONFIG_BYTES = 8 << 20;

/** The running kernel: how it was configured and what modules there are for it. */
export class Kernel {
  readonly surroundings: Surroundings;
  readonly #root: SystemRoot;
  #config: { readonly path: string; readonly text: string } | undefined | null = null;

  constructor(root: SystemRoot) {
    this.#root = root;
    this.surroundings = surroundings(root);
  }

  get release(): string {
    return this.surroundings.release;
  }

  /** The file that `option` speaks from. */
  get configPath(): string | undefined {
    return this.#configuration()?.path;
  }

  /** `name` without CONFIG_. */
  option(name: string): OptionValue | undefined {
    const config = this.#configuration();
    if (config === undefined) return undefined;
    const value = new RegExp(`^CONFIG_${name}=([ym])$`, "m").exec(config.text)?.[1];
    return (value as OptionValue | undefined) ?? "n";
  }

  /** The folder of this kernel's modules, without the root. */
  get modulesFolder(): string {
    return `lib/modules/${this.release}`;
  }

  get hasModulesFolder(): boolean {
    return this.#root.names(this.modulesFolder).length > 0;
  }

  /** `name` as the kernel writes it: `vhci_hcd`. */
  modulePlace(name: string): ModulePlace {
    if (this.isLoaded(name)) return "loaded";
    const file = new RegExp(`^((?:[^:\\n]*/)?${name.replaceAll("_", "[-_]")}\\.ko[^:\\n]*)`, "m");
    if (file.test(this.#root.text(`${this.modulesFolder}/modules.builtin`) ?? "")) return "built in";
    const [, path] = file.exec(this.#root.text(`${this.modulesFolder}/modules.dep`) ?? "") ?? [];
    return path !== undefined && this.#root.exists(`${this.modulesFolder}/${path}`) ? "file" : "missing";
  }

  /** Modules that run have a folder there; built-in ones as soon as they have a parameter. */
  isLoaded(module: string): boolean {
    return this.#root.exists(`sys/module/${module}`);
  }

  /** Names of the modules that say they serve this. */
  modulesFor(modalias: string): readonly string[] {
    return modulesForAlias(this.#root.text(`${this.modulesFolder}/modules.alias`) ?? "", modalias);
  }

  #configuration(): { readonly path: string; readonly text: string } | undefined {
    if (this.#config === null) this.#config = this.#readConfiguration();
    return this.#config;
  }

  #readConfiguration(): { readonly path: string; readonly text: string } | undefined {
    const places = [
      "proc/config.gz",
      `boot/config-${this.release}`,
      `${this.modulesFolder}/config`,
      `${this.modulesFolder}/build/.config`,
    ];
    for (const place of places) {
      const bytes = this.#root.bytes(place);
      if (bytes === undefined) continue;
      const text = place.endsWith(".gz") ? unpacked(bytes) : bytes.toString("latin1");
      if (text !== undefined) return { path: `/${place}`, text };
    }
    return undefined;
  }
}

function unpacked(bytes: Buffer): string | undefined {
  try {
    return gunzipSync(bytes, { maxOutputLength: CONFIG_BYTES }).toString("latin1");
  } catch {
    return undefined;
  }
}
