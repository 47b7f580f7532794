import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ALONE } from "../support/usbferry.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "usbferry-package-"));
after(() => rmSync(folder, { recursive: true }));

function run(program: string, ...words: readonly string[]): string {
  return execFileSync(program, words, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

test("npm packs what is needed to run and read, and nothing else", () => {
  run(process.execPath, "dist/packaging/write-documents.js");
  const [{ files }] = JSON.parse(run("npm", "pack", "--dry-run", "--json", "--ignore-scripts")) as [
    { files: readonly { path: string }[] },
  ];
  const tops = new Set(
    files.map(({ path }) =>
      path
        .split("/")
        .slice(0, path.startsWith("dist/") ? 2 : 1)
        .join("/"),
    ),
  );
  assert.deepEqual(Array.from(tops).toSorted(), [
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "dist/dashboard",
    "dist/dashboard",
    "dist/share",
    "dist/src",
    "docs",
    "examples",
    "package.json",
  ]);
  for (const { path } of files) assert(!/\.test\.|tsbuildinfo|\.vm\.|\.soak\./.test(path), path);
  for (const name of ["index.html", "main.js", "page.css", "icon.svg", "preact-licence.txt"]) {
    assert(
      files.some(({ path }) => path === `dist/dashboard/${name}`),
      name,
    );
  }
  for (const name of ["usbferry.1", "usbferry.bash", "usbferry.zsh", "usbferry.fish"]) {
    assert(
      files.some(({ path }) => path === `dist/share/${name}`),
      name,
    );
  }
});

test("the Debian package holds a program that runs, its services, manual page and completions", async () => {
  const file = run(process.execPath, "dist/packaging/debian-package.js").trim();
  const control = run("dpkg-deb", "--field", file);
  assert.match(control, /^Package: usbferry\nVersion: \d+\.\d+\.\d+\n/);
  assert.match(control, /^Depends: nodejs \(>= 20\.19\)$/m);
  run("dpkg-deb", "--extract", file, folder);
  const at = (path: string): string => join(folder, path);
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  assert.equal(run(at("usr/bin/usbferry"), "--version").trim(), version);
  // With its libraries: the one with machine code, too.
  // The worker needs the library with machine code.
  const serve = [
    "serve",
    "--gadget",
    "zero",
    "--data-plane",
    "worker",
    "--listen",
    `unix:${at("usbip.sock")}`,
  ];
  const host = spawn(at("usr/bin/usbferry"), serve, { env: { ...process.env, ...ALONE } });
  const [introduction] = (await once(host.stdout, "data")) as [Buffer];
  assert.match(String(introduction), /^Sharing zero on unix:/);
  host.kill();
  await once(host, "close");
  for (const path of [
    "usr/lib/systemd/system/usbferry.service",
    "usr/lib/systemd/system/usbferry-agent.service",
    "usr/share/man/man1/usbferry.1.gz",
    "usr/share/bash-completion/completions/usbferry",
    "usr/share/zsh/vendor-completions/_usbferry",
    "usr/share/fish/vendor_completions.d/usbferry.fish",
    "usr/share/doc/usbferry/docs/links.md",
    "etc/usbferry/usbferry.yaml",
  ]) {
    assert(existsSync(at(path)), path);
  }
  const unit = readFileSync(at("usr/lib/systemd/system/usbferry.service"), "utf8");
  const [, script] =
    /^ExecStart=\/usr\/bin\/node (\S+) serve --config \/etc\/usbferry\/usbferry\.yaml$/m.exec(unit)!;
  assert(statSync(at(script!)).isFile());
  assert(
    !existsSync(at("usr/lib/usbferry/node_modules/typescript")),
    "what only developers need is not in it",
  );
});
