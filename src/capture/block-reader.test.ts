import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockReader } from "./block-reader.ts";
import { enhancedPacket, sectionHeader } from "./pcapng.ts";

const FILE = Buffer.concat([
  sectionHeader("x"),
  enhancedPacket(1, Uint8Array.of(1, 2, 3), "one"),
  enhancedPacket(2, Uint8Array.of(4), ""),
]);

test("blocks are found whatever the pieces are", () => {
  for (let size = 1; size <= FILE.length; size++) {
    const blocks: Uint8Array[] = [];
    const reader = new BlockReader((block) => blocks.push(block));
    for (let at = 0; at < FILE.length; at += size) {
      assert.equal(reader.receive(FILE.subarray(at, at + size)), undefined);
    }
    assert.equal(blocks.length, 3);
    assert.deepEqual(Buffer.concat(blocks), FILE);
    assert.equal(reader.waiting, 0);
  }
});

test("a file that is cut off gives the blocks before that", () => {
  for (let length = 0; length < FILE.length; length++) {
    let blocks = 0;
    const reader = new BlockReader(() => blocks++);
    assert.equal(reader.receive(FILE.subarray(0, length)), undefined);
    assert(blocks < 3 && reader.waiting < 64);
  }
});

function changed(at: number, value: number): Buffer {
  const bytes = Buffer.from(FILE);
  bytes.writeUInt32LE(value, at);
  return bytes;
}

for (const [what, bytes, code] of [
  ["another kind of file", Buffer.from("not pcapng at all"), "BAD_FIELD"],
  ["the other byte order", changed(8, 0x4d3c2b1a), "BAD_FIELD"],
  ["a length of 0", changed(4, 0), "BAD_LENGTH"],
  ["a length that is no multiple of 4", changed(4, 34), "BAD_LENGTH"],
  ["a length of 2 GiB", changed(4, 0x80000000), "BAD_LENGTH"],
  ["two lengths that differ", changed(sectionHeader("x").length - 4, 12), "BAD_LENGTH"],
] as const) {
  test(`${what} is refused`, () => {
    assert.equal(new BlockReader(() => {}).receive(bytes)?.code, code);
  });
}
