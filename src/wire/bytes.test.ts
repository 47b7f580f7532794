import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteTemplate } from "./byte-template.ts";
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

/** Zeros of both signs, the smallest and the largest numbers, infinities, and what is no number, as bytes. */
const numbers = Float64Array.of(0, -0, 5e-324, -5e-324, 1.5, 1.7e308, Number.POSITIVE_INFINITY, Number.NaN);
const patterns = {
  zeros: new Uint8Array(96),
  "a count": Uint8Array.from({ length: 96 }, (_, i) => i % 63),
  "all numbers": new Uint8Array(numbers.slice().buffer),
  "no zero below zero": new Uint8Array(numbers.filter((number) => !Object.is(number, -0)).buffer),
};
for (const [name, pattern] of Object.entries(patterns)) {
  test(`a template of ${name} matches itself alone`, () => {
    const template = new ByteTemplate(pattern);
    for (let length = 0; length <= pattern.length; length++) {
      const bytes = new Uint8Array(120).fill(0xee);
      bytes.set(pattern.subarray(0, length), 13);
      assert.equal(template.matches(bytes, 13, length), true);
      for (let bit = 0; bit < 8 * length; bit++) {
        bytes[13 + (bit >> 3)]! ^= 1 << (bit & 7);
        assert.equal(template.matches(bytes, 13, length), false, `bit ${bit} of ${length} bytes`);
        bytes[13 + (bit >> 3)]! ^= 1 << (bit & 7);
      }
    }
  });
}

test("a template sees differences that make up for each other", () => {
  const template = new ByteTemplate(new Uint8Array(64));
  for (const [one, other] of [
    [1, -1],
    [-0, -0],
    [5e-324, -5e-324],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  ] as const) {
    const bytes = new Uint8Array(Float64Array.of(one, 0, 0, 0, other, 0, 0, 0).buffer);
    assert.equal(template.matches(bytes, 0, 64), false);
  }
});
