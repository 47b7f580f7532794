import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { CONFIGURATION, firstConfiguration } from "../src/daemon/service/first-configuration.ts";
import { MARK } from "../src/daemon/service/service-file.ts";
import { systemdUnits } from "../src/daemon/service/systemd-units.ts";
import { VERSION } from "../src/daemon/version.ts";

/**
 * Builds a Debian package of what `npm pack` would hold, with the libraries that it needs, for the architecture of this
 * machine: one of them brings machine code. Prints its path.
 */
const root = fileURLToPath(new URL("../..", import.meta.url));
/** Not in dist: the libraries bring tests of their own, which are none of this project's. */
const build = mkdtempSync(join(tmpdir(), "usbferry-debian-"));
process.on("exit", () => rmSync(build, { recursive: true, force: true }));
// It is the root of what is installed.
chmodSync(build, 0o755);
const HOME = "usr/lib/usbferry";
const SCRIPT = `/${HOME}/dist/src/cli/main.js`;
const PROGRAM = { runtime: ["/usr/bin/node"], script: SCRIPT } as const;

installProgram();
installServices();
installDocuments();
writeControl();
const architecture = outputOf("dpkg", "--print-architecture").trim();
const file = join(root, `dist/usbferry_${VERSION}_${architecture}.deb`);
outputOf("dpkg-deb", "--root-owner-group", "-Zgzip", "--build", build, file);
process.stdout.write(`${relative("", file)}\n`);

function installProgram(): void {
  const { files } = JSON.parse(
    outputOf("npm", "pack", "--dry-run", "--json", "--ignore-scripts").trim(),
  )[0] as {
    files: readonly { readonly path: string }[];
  };
  for (const { path } of files) copy(path, `${HOME}/${path}`);
  const libraries = outputOf("npm", "ls", "--omit=dev", "--all", "--parseable").trim().split("\n").slice(1);
  for (const library of libraries) {
    const path = relative(root, library);
    // A library inside another one was copied with it.
    if (path.split("node_modules/").length === 2) copy(path, `${HOME}/${path}`);
  }
  chmodSync(join(build, SCRIPT), 0o755);
  mkdirSync(join(build, "usr/bin"), { recursive: true });
  symlinkSync("../lib/usbferry/dist/src/cli/main.js", join(build, "usr/bin/usbferry"));
}

function installServices(): void {
  const host = systemdUnits({ part: "host", program: PROGRAM, config: CONFIGURATION, sockets: [] });
  const agent = systemdUnits({ part: "agent", program: PROGRAM, config: CONFIGURATION, sockets: [] });
  for (const { path, text } of [...host, ...agent]) {
    write(
      path.replace("/etc/", "usr/lib/"),
      text.replace(MARK, "Of the package usbferry: change it by systemctl edit."),
    );
  }
  const { path, text } = firstConfiguration(CONFIGURATION);
  write(path, text);
  write("DEBIAN/conffiles", `${CONFIGURATION}\n`);
}

function installDocuments(): void {
  const share = "dist/share";
  write(
    "usr/share/man/man1/usbferry.1.gz",
    gzipSync(readFileSync(join(root, share, "usbferry.1")), { level: 9 }),
  );
  copy(`${share}/usbferry.bash`, "usr/share/bash-completion/completions/usbferry");
  copy(`${share}/usbferry.zsh`, "usr/share/zsh/vendor-completions/_usbferry");
  copy(`${share}/usbferry.fish`, "usr/share/fish/vendor_completions.d/usbferry.fish");
  copy("README.md", "usr/share/doc/usbferry/README.md");
  symlinkSync("../../../lib/usbferry/docs", join(build, "usr/share/doc/usbferry/docs"));
  write(
    "usr/share/doc/usbferry/changelog.gz",
    gzipSync(readFileSync(join(root, "CHANGELOG.md")), { level: 9 }),
  );
  copy("LICENSE", "usr/share/doc/usbferry/copyright");
}

function writeControl(): void {
  write(
    "DEBIAN/control",
    `Package: usbferry
Version: ${VERSION}
Architecture: ${outputOf("dpkg", "--print-architecture").trim()}
Maintainer: The authors of usbferry <usbferry@localhost>
Installed-Size: ${Math.ceil(sizeOf(build) / 1_024)}
Depends: nodejs (>= 20.19)
Recommends: kmod, udev
Section: utils
Priority: optional
Description: carry USB devices across a machine boundary into another kernel
 Shares the devices of this machine, and simulated ones, over USB/IP, sockets
 without IP and shared memory, and attaches those of other machines here.
 .
 Nothing runs after the installation: systemctl enable --now usbferry shares
 what was bound, usbferry-agent takes devices of others.
`,
  );
  const reload = "if [ -d /run/systemd/system ]; then systemctl --system daemon-reload || true; fi";
  script("postinst", `[ "$1" = configure ] || exit 0\n${reload}`);
  const stop = "systemctl stop usbferry.service usbferry-agent.service || true";
  script("prerm", `[ "$1" = remove ] || exit 0\nif [ -d /run/systemd/system ]; then ${stop}; fi`);
  script("postrm", reload);
}

function script(name: string, lines: string): void {
  write(`DEBIAN/${name}`, `#!/bin/sh\nset -e\n${lines}\n`, 0o755);
}

function write(path: string, content: string | Uint8Array, mode = 0o644): void {
  const at = join(build, path);
  mkdirSync(dirname(at), { recursive: true });
  writeFileSync(at, content, { mode });
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(join(build, to)), { recursive: true });
  cpSync(join(root, from), join(build, to), { recursive: true, dereference: true });
}

function sizeOf(path: string): number {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isDirectory()) return stat?.size ?? 0;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}

function outputOf(program: string, ...words: readonly string[]): string {
  return execFileSync(program, words, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}
