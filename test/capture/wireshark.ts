import { existsSync } from "node:fs";
import { chmod, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Archive } from "../vm/debian/archive.ts";
import { withLock } from "../vm/debian/lock.ts";
import { cacheFolder, type Progress, TestBedUnavailable } from "../vm/debian/preparation.ts";
import { outputOf, ProgramFailure } from "../vm/debian/program.ts";
import { machineMirrors } from "../vm/debian/source-list.ts";
import { Userland } from "../vm/debian/userland.ts";

const PACKAGE = { names: ["tshark"], dependencies: true };

/** Debian's tshark, unpacked with its own libraries. */
export class Wireshark {
  readonly #userland: Userland;

  private constructor(userland: Userland) {
    this.#userland = userland;
  }

  /** Fetched once, and then found in the cache. Rejects with TestBedUnavailable where it cannot be had. */
  static async prepare(progress: Progress): Promise<Wireshark> {
    const cache = cacheFolder();
    const folder = join(cache, "tshark");
    const waiting = (): void => progress("waiting for another preparation of tshark");
    await mkdir(cache, { recursive: true });
    await withLock(join(cache, "tshark.lock"), waiting, async () => {
      if (existsSync(folder)) return;
      progress("fetching tshark from Debian's packages, about 50 MB");
      try {
        await make(cache, folder);
      } catch (error) {
        if (!(error instanceof ProgramFailure)) throw error;
        throw new TestBedUnavailable(
          `tshark could not be fetched (${error.message}), so check the network and try again.`,
        );
      }
    });
    return new Wireshark(new Userland(folder));
  }

  /** What tshark prints. */
  tshark(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<string> {
    const root = this.#userland.root;
    return outputOf([...this.#userland.program("usr/bin/tshark"), ...args], {
      env: {
        ...process.env,
        HOME: root,
        LC_ALL: "C",
        WIRESHARK_DATA_DIR: join(root, "usr/share/wireshark"),
        ...environment,
      },
    });
  }

  /** These fields of each packet of a file. */
  async fields(file: string, ...names: readonly string[]): Promise<readonly (readonly string[])[]> {
    const wanted = names.flatMap((name) => ["-e", name]);
    const text = await this.tshark(["-r", file, "-T", "fields", ...wanted]);
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.split("\t"));
  }
}

async function make(cache: string, folder: string): Promise<void> {
  // Beside the archive of the bed, which forgets what is not its own.
  const archive = new Archive(join(cache, "archive/tshark"), ["trixie"]);
  const [mirror] = machineMirrors();
  if (mirror === undefined) {
    throw new TestBedUnavailable("No apt source of this machine is signed by the Debian archive key.");
  }
  await archive.update(mirror);
  const files = await archive.resolve(PACKAGE);
  await archive.fetch(PACKAGE, files);
  const unfinished = `${folder}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished);
  const userland = new Userland(unfinished);
  await userland.unpack(files);
  await addCaptureProgram(userland, new Userland(folder));
  await rename(unfinished, folder);
}

/** tshark looks for the program that records, and for the folder that extcap programs run in, beside its own, which is the loader here. */
async function addCaptureProgram(unfinished: Userland, finished: Userland): Promise<void> {
  const path = join(unfinished.libraries, "dumpcap");
  const command = finished.program("usr/bin/dumpcap").map((word) => `'${word}'`);
  await writeFile(path, `#!/bin/sh\nexec ${command.join(" ")} "$@"\n`);
  await chmod(path, 0o755);
  await mkdir(join(unfinished.libraries, "extcap/wireshark"), { recursive: true });
}
