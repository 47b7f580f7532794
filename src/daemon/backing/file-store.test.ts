import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { BlockFailure } from "../../gadgets/block-store.ts";
import { AccessDenied, Failed } from "../failure.ts";
import { FileStore } from "./file-store.ts";

const folder = mkdtempSync(join(tmpdir(), "usbferry-"));
after(() => rmSync(folder, { recursive: true }));
let images = 0;

function image(bytes: Uint8Array): string {
  const path = join(folder, `image-${images++}`);
  writeFileSync(path, bytes);
  return path;
}

function result(call: (done: (failure?: BlockFailure) => void) => void): Promise<BlockFailure | undefined> {
  return new Promise(call);
}

test("blocks are bytes of the file at their place", async () => {
  const path = image(Uint8Array.from({ length: 2048 }, (_, i) => i >> 9));
  const store = await FileStore.open(path, false);
  assert.deepEqual([store.blockSize, store.blockCount, store.readOnly], [512, 4, false]);
  const target = new Uint8Array(1024);
  assert.equal(await result((done) => store.read(1, target, done)), undefined);
  assert.deepEqual([target[0], target[511], target[512]], [1, 1, 2]);
  assert.equal(await result((done) => store.write(3, new Uint8Array(512).fill(9), done)), undefined);
  assert.equal(await result((done) => store.flush(done)), undefined);
  await store.close();
  assert.deepEqual([...readFileSync(path).subarray(1535, 1537)], [2, 9]);
});

test("a file that shrinks under the disk fails to be read, and nothing is thrown", async () => {
  const path = image(new Uint8Array(2048));
  const store = await FileStore.open(path, false);
  truncateSync(path, 512);
  const failure = await result((done) => store.read(2, new Uint8Array(512), done));
  assert.match(failure!.message, /read at byte 1024: the file has become shorter/);
  await store.close();
});

test("a file that cannot be a disk is refused with what to do", async () => {
  const refusals: [string, RegExp][] = [
    [join(folder, "nowhere"), /there is no file .*truncate -s 64M/],
    [folder, /is a folder; name an image file/],
    ["/dev/null", /no ordinary file/],
    [image(new Uint8Array(0)), /is empty; give it a size/],
    [image(new Uint8Array(1000)), /1000 bytes.*truncate -s 1024/],
  ];
  for (const [path, message] of refusals) {
    await assert.rejects(FileStore.open(path, false), (error) => {
      assert(error instanceof Failed);
      assert.match(error.message, message);
      return true;
    });
  }
});

test("a file without permission is refused as access denied", {
  skip: process.getuid?.() === 0,
}, async () => {
  const path = image(new Uint8Array(512));
  chmodSync(path, 0o400);
  await assert.rejects(FileStore.open(path, false), (error) => {
    assert(error instanceof AccessDenied);
    assert.match(error.message, /cannot be written.*share it with ro/);
    return true;
  });
  await (await FileStore.open(path, true)).close();
});

test("one writer or any number of readers has a file", { skip: process.platform !== "linux" }, async () => {
  const path = image(new Uint8Array(512));
  const writer = await FileStore.open(path, false);
  for (const readOnly of [true, false]) {
    await assert.rejects(FileStore.open(path, readOnly), /is in use by another program/);
  }
  await writer.close();
  const readers = [await FileStore.open(path, true), await FileStore.open(path, true)];
  await assert.rejects(FileStore.open(path, false), /is in use by another program/);
  for (const reader of readers) await reader.close();
});
