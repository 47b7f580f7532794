import { existsSync } from "node:fs";
import { chmod, copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Browser, chromium } from "playwright-core";
import type { Archive, PackageFile, PackageRequest } from "../vm/debian/archive.ts";
import { cacheFolder, type Progress, requireMachine } from "../vm/debian/preparation.ts";
import { unpackedProgram, type WantedProgram } from "../vm/debian/unpacked-program.ts";
import type { Userland } from "../vm/debian/userland.ts";

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

const CHROMIUM: WantedProgram = {
  words: "Chromium",
  size: "110 MB",
  folder: "chromium-1",
  name: "chromium",
  suite: "trixie",
  request: needed,
  complete: addScript,
  forgetsPackages: true,
};

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
  const program = join(cacheFolder(), CHROMIUM.folder, "chromium");
  if (existsSync(program)) return program;
  requireMachine();
  await unpackedProgram(CHROMIUM, progress);
  return program;
}

async function needed(archive: Archive): Promise<PackageRequest> {
  const names = (await archive.resolve(BROWSER)).map(packageOf).filter((name) => !UNNEEDED.test(name));
  return { names, dependencies: false, release: BROWSER.release };
}

async function addScript({ root }: Userland): Promise<void> {
  await copyFile(join(root, LIBRARIES, "ld-linux-x86-64.so.2"), join(root, PROGRAM, "ld.so"));
  await writeFile(join(root, "fonts.conf"), FONTS);
  await writeFile(join(root, "chromium"), SCRIPT);
  await chmod(join(root, "chromium"), 0o755);
}

function packageOf({ name }: PackageFile): string {
  return name.slice(0, name.indexOf("_"));
}
