import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { Archive, digestOf, type PackageFile, type PackageRequest } from "./archive.ts";
import { guestInitramfs, MODULE_FOLDERS, MODULE_NAMES } from "./guest-root.ts";
import { unpackKernel } from "./kernel-image.ts";
import { ModuleFolder } from "./kernel-modules.ts";
import { withLock } from "./lock.ts";
import { missingProgram, outputOf, ProgramFailure } from "./program.ts";
import { type DebianMirror, machineMirrors } from "./source-list.ts";
import { USERLAND, Userland } from "./userland.ts";

/** Debian's kernels by release; each is that of one Debian suite. */
export const KERNELS = ["6.1", "6.12"] as const;
export type KernelName = (typeof KERNELS)[number];

export type Progress = (line: string) => void;

/** The machine lacks something; the message says what, and what to do. */
export class TestBedUnavailable extends Error {}

const DAY_MS = 24 * 3600 * 1000;

interface CurrentBed {
  readonly folder: string;
  /** Digest of the code that made it. */
  readonly recipe: string;
  readonly checkedAt: number;
}

export function cacheFolder(): string {
  const { USBFERRY_CACHE, XDG_CACHE_HOME } = process.env;
  return USBFERRY_CACHE || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "usbferry");
}

/**
 * The folder with everything a guest boots from: `debian/` (QEMU and tools) and `linux-<kernel>/` (vmlinux, initramfs,
 * modules/). Made from Debian packages on the first call, later found in the cache; the packages' index is looked at
 * again once a day. A bed appears under its name only when it is complete.
 */
export async function prepareBed(cache: string, progress: Progress): Promise<string> {
  const recipe = await recipeDigest();
  const ready = await readyBed(cache, recipe);
  if (ready && Date.now() - ready.checkedAt < DAY_MS) return join(cache, ready.folder);

  requireMachine();
  await mkdir(cache, { recursive: true });
  return withLock(
    join(cache, "lock"),
    () => progress("waiting for another preparation of the test bed"),
    async () => {
      const current = await readyBed(cache, recipe);
      if (current && Date.now() - current.checkedAt < DAY_MS) return join(cache, current.folder);
      const bed = new Preparation(cache, progress);
      try {
        await bed.update();
      } catch (error) {
        if (!(error instanceof TestBedUnavailable) || !bed.hasIndex) throw error;
        progress(`${error.message} Until then the last index is used.`);
      }
      const folder = await bed.make(recipe);
      const previous = await lastBed(cache);
      const record: CurrentBed = { folder, recipe, checkedAt: Date.now() };
      await writeFile(join(cache, "current.json.new"), JSON.stringify(record));
      await rename(join(cache, "current.json.new"), join(cache, "current.json"));
      // A running test may still use the bed before this one; nobody uses those before that.
      for (const name of await readdir(cache))
        if (name.startsWith("bed-") && name !== folder && name !== previous?.folder)
          await rm(join(cache, name), { recursive: true });
      return join(cache, folder);
    },
  );
}

class Preparation {
  readonly #cache: string;
  readonly #progress: Progress;
  readonly #trixie: Archive;
  readonly #bookworm: Archive;

  constructor(cache: string, progress: Progress) {
    this.#cache = cache;
    this.#progress = progress;
    this.#trixie = new Archive(join(cache, "archive/trixie"), ["trixie", "trixie-backports"]);
    this.#bookworm = new Archive(join(cache, "archive/bookworm"), ["bookworm"]);
  }

  async update(): Promise<void> {
    const mirrors = machineMirrors();
    if (mirrors.length === 0)
      throw new TestBedUnavailable(
        "No apt source of this machine is signed by the Debian archive key: install debian-archive-keyring and add a " +
          "stanza for Debian with `Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg` to " +
          "/etc/apt/sources.list.d/debian.sources (`Enabled: no` is enough).",
      );
    let failure = "";
    for (const mirror of mirrors) {
      try {
        await this.#updateFrom(mirror);
        return;
      } catch (error) {
        if (!(error instanceof ProgramFailure)) throw error;
        failure = error.message;
      }
    }
    throw new TestBedUnavailable(
      `This machine's Debian mirror gives no usable package index (${failure}), so check its network and its apt source.`,
    );
  }

  get hasIndex(): boolean {
    return this.#trixie.hasIndex && this.#bookworm.hasIndex;
  }

  async #updateFrom(mirror: DebianMirror): Promise<void> {
    this.#progress("reading Debian's package indexes");
    await Promise.all([this.#trixie.update(mirror), this.#bookworm.update(mirror)]);
  }

  /** Makes the bed that the index asks for, unless it is there. Answers its folder's name. */
  async make(recipe: string): Promise<string> {
    const kernels: Record<KernelName, { archive: Archive; request: PackageRequest }> = {
      "6.1": { archive: this.#bookworm, request: await kernelRequest(this.#bookworm, "6.1") },
      "6.12": { archive: this.#trixie, request: await kernelRequest(this.#trixie, "6.12") },
    };
    const userlandFiles = await this.#trixie.resolve(USERLAND);
    const kernelFiles: Record<KernelName, PackageFile[]> = {
      "6.1": await this.#bookworm.resolve(kernels["6.1"].request),
      "6.12": await this.#trixie.resolve(kernels["6.12"].request),
    };
    const name = `bed-${digestOf([...userlandFiles, ...kernelFiles["6.1"], ...kernelFiles["6.12"]], recipe)}`;
    if (existsSync(join(this.#cache, name))) return name;

    const files = userlandFiles.length + KERNELS.length;
    this.#progress(`fetching ${files} Debian packages, about 240 MB unless they are in ${this.#cache}`);
    try {
      await this.#trixie.fetch(USERLAND, userlandFiles);
      await Promise.all(
        KERNELS.map((kernel) => kernels[kernel].archive.fetch(kernels[kernel].request, kernelFiles[kernel])),
      );
    } catch (error) {
      if (!(error instanceof ProgramFailure)) throw error;
      throw new TestBedUnavailable(
        `A Debian package could not be fetched (${error.message}), so check the network and try again.`,
      );
    }
    await this.#trixie.keepOnly([...userlandFiles, ...kernelFiles["6.12"]]);
    await this.#bookworm.keepOnly(kernelFiles["6.1"]);

    this.#progress("unpacking");
    // Under the lock nobody else is at work: what an interrupted preparation left can go.
    const work = join(this.#cache, "unfinished");
    await rm(work, { recursive: true, force: true, maxRetries: 5 });
    await mkdir(work);
    const userland = new Userland(join(work, "debian"));
    const unpackedUserland = userland.unpack(userlandFiles);
    await Promise.all(
      KERNELS.map(async (kernel) => {
        const tree = join(work, `tree-${kernel}`);
        for (const file of kernelFiles[kernel]) await outputOf(["dpkg-deb", "-x", file.path, tree]);
        await unpackedUserland;
        await makeKernel(join(work, `linux-${kernel}`), tree, userland);
        await rm(tree, { recursive: true });
      }),
    );
    await rename(work, join(this.#cache, name));
    return name;
  }
}

async function kernelRequest(archive: Archive, kernel: KernelName): Promise<PackageRequest> {
  const pattern = new RegExp(`^linux-image-${kernel.replace(".", "\\.")}\\.`);
  return { names: [await archive.standsFor("linux-image-amd64", pattern)], dependencies: false };
}

async function makeKernel(folder: string, tree: string, userland: Userland): Promise<void> {
  const xz = userland.program("usr/bin/xz");
  await mkdir(folder);
  const image = (await readdir(join(tree, "boot"))).find((name) => name.startsWith("vmlinuz-"));
  if (image === undefined) throw new Error("Debian's kernel package has no vmlinuz.");
  const library = existsSync(join(tree, "usr/lib/modules")) ? "usr/lib/modules" : "lib/modules";
  const modulesTree = join(tree, library, image.slice("vmlinuz-".length));
  const [modules] = await Promise.all([
    ModuleFolder.fill(
      join(folder, "modules"),
      modulesTree,
      { folders: MODULE_FOLDERS, names: MODULE_NAMES },
      xz,
    ),
    unpackKernel(join(tree, "boot", image), join(folder, "vmlinux"), {
      xz,
      zstd: userland.program("usr/bin/zstd"),
    }),
  ]);
  await writeFile(join(folder, "initramfs"), await guestInitramfs(userland, modules));
}

async function lastBed(cache: string): Promise<CurrentBed | undefined> {
  const path = join(cache, "current.json");
  return existsSync(path) ? (JSON.parse(await readFile(path, "utf8")) as CurrentBed) : undefined;
}

async function readyBed(cache: string, recipe: string): Promise<CurrentBed | undefined> {
  const last = await lastBed(cache);
  return last?.recipe === recipe && existsSync(join(cache, last.folder)) ? last : undefined;
}

/** A bed is stale when the code of this folder changes. */
async function recipeDigest(): Promise<string> {
  const hash = createHash("sha256");
  for (const name of (await readdir(import.meta.dirname)).toSorted())
    if (name.endsWith(".js") && !name.endsWith(".test.js"))
      hash.update(await readFile(join(import.meta.dirname, name)));
  return hash.digest("hex");
}

export function requireMachine(): void {
  if (process.platform !== "linux" || process.arch !== "x64")
    throw new TestBedUnavailable(
      `The test bed runs on x86-64 Linux and this is ${process.arch} ${process.platform}: run these tests on a Debian machine.`,
    );
  const missing = missingProgram(["setpriv", "flock", "apt-get", "dpkg-deb", "ldd"]);
  if (missing !== undefined)
    throw new TestBedUnavailable(
      `The test bed fetches QEMU and kernels with Debian's own tools and finds no ${missing} here: run these tests on a Debian machine.`,
    );
}
