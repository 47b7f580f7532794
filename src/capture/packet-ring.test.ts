import assert from "node:assert/strict";
import { test } from "node:test";
import { PacketRing } from "./packet-ring.ts";

function write(ring: PacketRing, length: number, value: number): boolean {
  const at = ring.reserve(length);
  if (at < 0) return false;
  ring.bytes.fill(value, at, at + length);
  ring.commit();
  return true;
}

function read(ring: PacketRing): string {
  return ring
    .read()
    .map((piece) => Buffer.from(piece).toString("hex"))
    .join(" ");
}

test("blocks come out as they went in, and one that would not fit behind the last begins anew", () => {
  const writer = new PacketRing(16);
  const reader = new PacketRing(writer.block);
  assert.equal(read(reader), "");
  assert(write(writer, 8, 1));
  assert(write(writer, 4, 2));
  assert.equal(read(reader), "010101010101010102020202");
  assert(write(writer, 8, 3), "four bytes at the end stay unused");
  assert.equal(read(reader), "0303030303030303");
  assert(write(writer, 8, 4));
  assert(write(writer, 4, 5));
  assert.equal(read(reader), "0404040404040404 05050505");
});

test("what finds no room is counted, and what was there before stays", () => {
  const ring = new PacketRing(16);
  assert(write(ring, 8, 1));
  assert(write(ring, 8, 2));
  assert(!write(ring, 4, 3));
  assert(!write(ring, 64, 4));
  assert.deepEqual([ring.kept, ring.dropped], [2, 2]);
  assert.equal(read(ring), "01010101010101010202020202020202");
  assert(write(ring, 8, 5));
  assert(!write(ring, 8, 6), "a full ring would look like an empty one");
  assert(write(ring, 4, 7));
  assert.equal(read(ring), "050505050505050507070707");
});

test("any order of writes and reads keeps every block that was taken, in order", () => {
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const ring = new PacketRing(256);
  const expected: number[] = [];
  const seen: number[] = [];
  for (let turn = 0; turn < 20_000; turn++) {
    if (random(3) > 0) {
      const length = 4 + 4 * random(20);
      const value = turn % 251;
      if (write(ring, length, value)) for (let i = 0; i < length; i++) expected.push(value);
    } else for (const piece of ring.read()) seen.push(...piece);
  }
  for (const piece of ring.read()) seen.push(...piece);
  assert.deepEqual(seen, expected);
  assert(ring.kept > 5_000 && ring.dropped > 1_000);
});
