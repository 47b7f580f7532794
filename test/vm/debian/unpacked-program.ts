import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Archive, type PackageRequest } from "./archive.ts";
import { withLock } from "./lock.ts";
import { cacheFolder, type Progress, TestBedUnavailable } from "./preparation.ts";
import { ProgramFailure } from "./program.ts";
import { machineMirrors } from "./source-list.ts";
import { Userland } from "./userland.ts";

/** A program of Debian's that is not of the bed, and where the cache keeps it. */
export interface WantedProgram {
  /** `tshark` */
  readonly words: string;
  /** `50 MB` */
  readonly size: string;
  /** Folder of the cache that it is unpacked into; another one where what is unpacked changes. */
  readonly folder: string;
  /** Name of its lock, and of its archive beside that of the bed, which forgets what is not its own. */
  readonly name: string;
  readonly suite: string;
  /** See Archive. Default: current. */
  readonly age?: "current" | "any";
  /** What is fetched, as far as the index is needed to say it. */
  readonly request: PackageRequest | ((archive: Archive) => Promise<PackageRequest>);
  /** Adds what it lacks to run in place. `finished` is where it stands then. */
  readonly complete?: (unfinished: Userland, finished: Userland) => Promise<void>;
  /** Its packages are not kept. */
  readonly forgetsPackages?: true;
}

/**
 * The program with its own libraries: fetched once, and then found in the cache. Rejects with TestBedUnavailable where
 * it cannot be had.
 */
export async function unpackedProgram(wanted: WantedProgram, progress: Progress): Promise<Userland> {
  const { words, size, name } = wanted;
  const cache = cacheFolder();
  const folder = join(cache, wanted.folder);
  const waiting = (): void => progress(`waiting for another preparation of ${words}`);
  await mkdir(cache, { recursive: true });
  await withLock(join(cache, `${name}.lock`), waiting, async () => {
    if (existsSync(folder)) return;
    progress(`fetching ${words} from Debian's packages, about ${size}`);
    try {
      await make(wanted, cache, folder);
    } catch (error) {
      if (!(error instanceof ProgramFailure)) throw error;
      throw new TestBedUnavailable(
        `${words} could not be fetched (${error.message}), so check the network and try again.`,
      );
    }
  });
  return new Userland(folder);
}

async function make(wanted: WantedProgram, cache: string, folder: string): Promise<void> {
  const { name, suite, age, request: asked, complete, forgetsPackages } = wanted;
  const archive = new Archive(join(cache, "archive", name), [suite], age);
  const [mirror] = machineMirrors();
  if (mirror === undefined) {
    throw new TestBedUnavailable("No apt source of this machine is signed by the Debian archive key.");
  }
  await archive.update(mirror);
  const request = typeof asked === "function" ? await asked(archive) : asked;
  const files = await archive.resolve(request);
  await archive.fetch(request, files);
  const unfinished = new Userland(`${folder}.unfinished`);
  await rm(unfinished.root, { recursive: true, force: true });
  await mkdir(unfinished.root);
  await unfinished.unpack(files);
  await complete?.(unfinished, new Userland(folder));
  await rename(unfinished.root, folder);
  if (forgetsPackages === true) await archive.keepOnly([]);
}
