import assert from "node:assert/strict";
import { test } from "node:test";
import { networkWord } from "./network-word.ts";

function bytesOf(value: number): number[] {
  return [...new Uint8Array(Int32Array.of(networkWord(value)).buffer)];
}

test("a word stands in memory with its highest byte first", () => {
  assert.deepEqual(bytesOf(0x01020304), [1, 2, 3, 4]);
  assert.deepEqual(bytesOf(0xfedcba98), [0xfe, 0xdc, 0xba, 0x98]);
});

test("a negative number stands there as its 32 bits", () => {
  assert.deepEqual(bytesOf(-32), [0xff, 0xff, 0xff, 0xe0]);
});
