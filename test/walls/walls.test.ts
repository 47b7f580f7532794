import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { findBreaches } from "./imports.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const tsc = join(root, "node_modules/typescript/bin/tsc");

/** A copy of the sources, built once, in which a test may break a wall. */
const copy = mkdtempSync(join(tmpdir(), "usbferry-walls-"));
for (const path of ["src", "tsconfig.base.json", "package.json"])
  cpSync(join(root, path), join(copy, path), { recursive: true });
symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
after(() => rmSync(copy, { recursive: true, force: true }));

function compile(room: string): string {
  const { status, stdout } = spawnSync(process.execPath, [tsc, "-b", join("src", room)], {
    cwd: copy,
    encoding: "utf8",
  });
  return status === 0 ? "" : stdout;
}

function withFile<T>(path: string, text: string, check: () => T): T {
  writeFileSync(join(copy, path), text);
  try {
    return check();
  } finally {
    rmSync(join(copy, path));
  }
}

test("the rooms as they are pass the compiler and have no breach", () => {
  assert.equal(compile("cli"), "");
  assert.deepEqual(findBreaches(root), []);
});

test("a relative import sideways does not compile", () => {
  const text = 'export { Zero } from "../gadgets/zero.ts";\n';
  withFile("src/usbip/breach.ts", text, () => {
    assert.match(compile("usbip"), /breach\.ts.*TS6307/);
    assert.match(findBreaches(copy)[0]!.reason, /usbip may import wire, usb/);
  });
});

test("an import upwards does not compile", () => {
  const text = 'export { UsbipServer } from "../usbip/server.ts";\n';
  withFile("src/usb/breach.ts", text, () => assert.match(compile("usb"), /breach\.ts.*TS6307/));
});

test("a node: import in a room without Node does not compile", () => {
  const text = 'export { readFileSync } from "node:fs";\n';
  for (const room of ["wire", "usb", "gadgets", "capture", "usbip", "wslusb", "ring", "xhci"]) {
    withFile(`src/${room}/breach.ts`, text, () => {
      assert.match(compile(room), /breach\.ts.*Cannot find (module|name) 'node:fs'/);
      assert.match(findBreaches(copy)[0]!.reason, /runs without Node/);
    });
  }
});

test("a room that imports the package by its own name is found", () => {
  const text = 'export { UsbipServer } from "usbferry/usbip";\n';
  withFile("src/gadgets/breach.ts", text, () => {
    assert.match(compile("gadgets"), /breach\.ts.*(TS2307|TS6307)/);
    assert.match(findBreaches(copy)[0]!.reason, /defining file/);
  });
});

test("a worker URL into another room is found", () => {
  const text = 'export const worker = new URL("../usbip/server.ts", import.meta.url);\n';
  withFile("src/links/breach.ts", text, () => {
    assert.deepEqual(findBreaches(copy), [
      {
        file: "src/links/breach.ts",
        specifier: "../usbip/server.ts",
        reason: "links may import wire, linux",
      },
    ]);
  });
});
