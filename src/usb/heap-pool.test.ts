import assert from "node:assert/strict";
import { test } from "node:test";
import { HeapPool } from "./heap-pool.ts";

test("a buffer holds what was asked for and is used again", () => {
  const pool = new HeapPool(1 << 20);
  const buffer = pool.take(1000)!;
  assert.ok(buffer.length >= 1000);
  pool.give(buffer);
  assert.equal(pool.take(900), buffer);
});

test("more than the limit is refused, and there again when it is given back", () => {
  const pool = new HeapPool(4096);
  const first = pool.take(2048)!;
  const second = pool.take(2048)!;
  assert.equal(pool.take(1), undefined);
  pool.give(first);
  assert.equal(pool.take(2048), first);
  pool.give(second);
  assert.equal(pool.taken, 2048);
});

test("a large transfer does not cost twice its size", () => {
  const pool = new HeapPool(17 << 20);
  assert.equal(pool.take((16 << 20) + 48)!.length, (16 << 20) + (64 << 10));
});

test("idle buffers of one size make room for another size", () => {
  const pool = new HeapPool(4096);
  for (const buffer of Array.from({ length: 4 }, () => pool.take(1024)!)) pool.give(buffer);
  const large = pool.take(4096)!;
  pool.give(large);
  assert.equal(pool.taken, 0);
  assert.notEqual(pool.take(4096), undefined);
});

test("who keeps what was given back is told when idle buffers are let go", () => {
  let dropped = 0;
  const pool = new HeapPool(4096, () => dropped++);
  for (const buffer of Array.from({ length: 4 }, () => pool.take(1024)!)) pool.give(buffer);
  assert.equal(dropped, 0);
  pool.take(4096);
  assert.equal(dropped, 1);
});
