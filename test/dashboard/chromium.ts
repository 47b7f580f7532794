import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { Archive, type PackageFile } from "../vm/debian/archive.ts";
import { withLock } from "../vm/debian/lock.ts";
import { cacheFolder, type Progress, requireMachine, TestBedUnavailable } from "../vm/debian/preparation.ts";
import { ProgramFailure } from "../vm/debian/program.ts";
import { machineMirrors } from "../vm/debian/source-list.ts";
import { Userland } from "../vm/debian/userland.ts";

const BROWSER = { names: ["chromium-headless-shell"], dependencies: true, release: "trixie" };
/** Drivers of graphics cards, and what only a screen needs: a third of all bytes, and nothing asks for it without one. */
const UNNEEDED =
  /^(libllvm|libz3|mesa-|libgl1|libglx|libglvnd|libvulkan|libdrm-|x11-|xkb-data|debconf|libxaw|libxt6|libxmu|libxcb-(dri|glx|present|randr|shape|sync)|fonts-dejavu-mono)/;
const LIBRARIES = "usr/lib/x86_64-linux-gnu";
const PROGRAM = "usr/lib/chromium";

/** The browser looks for its files beside its loader, and starts itself anew: through this script each time. */
const SCRIPT = `#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
libraries=$here/${LIBRARIES}
export FONTCONFIG_FILE="$here/fonts.conf"
exec "$here/${PROGRAM}/ld.so" --library-path "$libraries:$libraries/pulseaudio" \\
  "$here/${PROGRAM}/chromium-headless-shell" --browser-subprocess-path="$here/chromium" "$@"
`;
const FONTS = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir prefix="relative">usr/share/fonts</dir><cachedir prefix="xdg">usbferry-fonts</cachedir></fontconfig>
`;

/** Debian's Chromium, without a window. */
export async function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: await prepareChromium((line) => process.stderr.write(`${line}\n`)),
    // Its zygote would start itself past the script.
    args: ["--no-zygote", "--disable-gpu"],
  });
}

/** Unpacks it into the cache, once. Rejects with TestBedUnavailable where it cannot be had. */
async function prepareChromium(progress: Progress): Promise<string> {
  const cache = cacheFolder();
  const folder = join(cache, "chromium-1");
  const program = join(folder, "chromium");
  if (existsSync(program)) return program;
  requireMachine();
  await mkdir(cache, { recursive: true });
  const waiting = (): void => progress("waiting for another preparation of the browser");
  await withLock(join(cache, "chromium.lock"), waiting, async () => {
    if (existsSync(program)) return;
    progress("fetching Chromium from Debian's packages, about 110 MB");
    try {
      await make(cache, folder);
    } catch (error) {
      if (!(error instanceof ProgramFailure)) throw error;
      throw new TestBedUnavailable(
        `Chromium could not be fetched (${error.message}), so check the network and try again.`,
      );
    }
  });
  return program;
}

async function make(cache: string, folder: string): Promise<void> {
  const archive = new Archive(join(cache, "archive/chromium"), ["trixie"]);
  const [mirror] = machineMirrors();
  if (mirror === undefined) {
    throw new TestBedUnavailable("No apt source of this machine is signed by the Debian archive key.");
  }
  await archive.update(mirror);
  const names = (await archive.resolve(BROWSER)).map(packageOf).filter((name) => !UNNEEDED.test(name));
  const request = { names, dependencies: false, release: BROWSER.release };
  const files = await archive.resolve(request);
  await archive.fetch(request, files);
  const unfinished = `${folder}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished);
  await new Userland(unfinished).unpack(files);
  await copyFile(join(unfinished, LIBRARIES, "ld-linux-x86-64.so.2"), join(unfinished, PROGRAM, "ld.so"));
  await writeFile(join(unfinished, "fonts.conf"), FONTS);
  await writeFile(join(unfinished, "chromium"), SCRIPT);
  await chmod(join(unfinished, "chromium"), 0o755);
  await rename(unfinished, folder);
  await archive.keepOnly([]);
}

function packageOf({ name }: PackageFile): string {
  return name.slice(0, name.indexOf("_"));
}
