import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Progress } from "../vm/debian/preparation.ts";
import { outputOf } from "../vm/debian/program.ts";
import { unpackedProgram, type WantedProgram } from "../vm/debian/unpacked-program.ts";
import type { Userland } from "../vm/debian/userland.ts";

const TSHARK: WantedProgram = {
  words: "tshark",
  size: "50 MB",
  folder: "tshark",
  name: "tshark",
  suite: "trixie",
  request: { names: ["tshark"], dependencies: true },
  complete: addCaptureProgram,
};

/** Debian's tshark, unpacked with its own libraries. */
export class Wireshark {
  readonly #userland: Userland;

  private constructor(userland: Userland) {
    this.#userland = userland;
  }

  /** Fetched once, and then found in the cache. Rejects with TestBedUnavailable where it cannot be had. */
  static async prepare(progress: Progress): Promise<Wireshark> {
    return new Wireshark(await unpackedProgram(TSHARK, progress));
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

/** tshark looks for the program that records, and for the folder that extcap programs run in, beside its own, which is the loader here. */
async function addCaptureProgram(unfinished: Userland, finished: Userland): Promise<void> {
  const path = join(unfinished.libraries, "dumpcap");
  const command = finished.program("usr/bin/dumpcap").map((word) => `'${word}'`);
  await writeFile(path, `#!/bin/sh\nexec ${command.join(" ")} "$@"\n`);
  await chmod(path, 0o755);
  await mkdir(join(unfinished.libraries, "extcap/wireshark"), { recursive: true });
}
