import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Failed } from "../failure.ts";
import { listImages } from "./image-folder.ts";

test("a folder tells its folders and the files that a disk can have", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "usbferry-images-"));
  context.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "sub"));
  for (const [name, size] of [
    ["b.img", 1024],
    ["a.iso", 512],
    ["odd", 513],
    ["empty", 0],
    ["with,comma.img", 512],
    [".hidden", 512],
  ] as const) {
    writeFileSync(join(folder, name), "");
    truncateSync(join(folder, name), size);
  }
  symlinkSync("nowhere", join(folder, "broken"));
  assert.deepEqual(await listImages(folder), {
    folder,
    parent: tmpdir(),
    folders: ["sub"],
    images: [
      { name: "a.iso", size: 512 },
      { name: "b.img", size: 1024 },
    ],
    more: false,
  });
});

test("the root has nothing above it, and no more than a bounded number of entries is looked at", async (context) => {
  assert.equal((await listImages("/")).parent, undefined);
  const folder = mkdtempSync(join(tmpdir(), "usbferry-images-"));
  context.after(() => rmSync(folder, { recursive: true }));
  for (let i = 0; i <= 2_000; i++) writeFileSync(join(folder, `f${i}`), "");
  assert.equal((await listImages(folder)).more, true);
});

test("what is no folder is a failure that says so", async () => {
  for (const path of ["/nonexistent", "/proc/version", "/a\0b"]) {
    await assert.rejects(listImages(path), Failed, path);
  }
});
