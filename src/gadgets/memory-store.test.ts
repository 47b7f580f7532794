import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryStore } from "./memory-store.ts";

test("what is written is read again, across the pages it is kept in", () => {
  const store = new MemoryStore(1 << 20);
  const written = Uint8Array.from({ length: 200 * 1024 }, (_, i) => i % 251);
  const done: unknown[] = [];
  store.write(77, written, (failure) => done.push(failure));
  const read = new Uint8Array(written.length + 1024).fill(0xee);
  store.read(76, read, (failure) => done.push(failure));
  assert.deepEqual(done, [undefined, undefined]);
  assert.deepEqual(read.subarray(512, 512 + written.length), written);
  assert(read.subarray(0, 512).every((byte) => byte === 0));
  assert(read.subarray(512 + written.length).every((byte) => byte === 0));
});

test("a disk of terabytes takes no memory until it is written", () => {
  const store = new MemoryStore(2 ** 44);
  assert.equal(store.blockCount, 2 ** 35);
  store.write(2 ** 35 - 1, new Uint8Array(512).fill(1), () => {});
  const read = new Uint8Array(512);
  store.read(2 ** 35 - 1, read, () => {});
  assert(read.every((byte) => byte === 1));
});
