import assert from "node:assert/strict";
import { test } from "node:test";
import { copyBytes } from "./copy-bytes.ts";
import { equalBytes } from "./equal-bytes.ts";

const source = Uint8Array.from({ length: 300 }, (_, i) => i * 7);

for (const length of [0, 1, 64, 65, 200]) {
  test(`${length} bytes are copied to their place and nowhere else`, () => {
    const target = new Uint8Array(300).fill(0xee);
    copyBytes(source, 9, length, target, 40);
    const expected = new Uint8Array(300).fill(0xee);
    expected.set(source.subarray(9, 9 + length), 40);
    assert.deepEqual(target, expected);
  });
}

test("bytes are equal up to the length that is asked for", () => {
  const other = new Uint8Array(300);
  other.set(source.subarray(10, 110), 5);
  assert.equal(equalBytes(source, 10, other, 5, 100), true);
  assert.equal(equalBytes(source, 10, other, 5, 101), false);
  assert.equal(equalBytes(source, 10, other, 4, 100), false);
  assert.equal(equalBytes(source, 300, other, 300, 0), true);
  other[54]! ^= 1;
  assert.equal(equalBytes(source, 10, other, 5, 100), false);
  assert.equal(equalBytes(source, 10, other, 5, 49), true);
});
