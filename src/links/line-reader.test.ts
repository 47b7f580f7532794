import assert from "node:assert/strict";
import { test } from "node:test";
import { LineReader } from "./line-reader.ts";

test("a line is read in any pieces, and what follows it is not", () => {
  const whole = Buffer.from("OK 5\nrest");
  for (let cut = 0; cut < 5; cut++) {
    const reader = new LineReader(5);
    assert.equal(reader.take(whole.subarray(0, cut)), undefined);
    assert.equal(reader.soFar, whole.toString("latin1", 0, cut));
    assert.deepEqual(reader.take(whole.subarray(cut)), { line: "OK 5", used: 5 - cut });
  }
});

test("a line without an end is given up at its limit", () => {
  const reader = new LineReader(8);
  assert.equal(reader.take(Buffer.from("1234567")), undefined);
  assert.equal(reader.take(Buffer.from("8")), "too long");
  assert.equal(new LineReader(8).take(new Uint8Array(1 << 20)), "too long");
  assert.deepEqual(new LineReader(8).take(Buffer.from("1234567\n")), { line: "1234567", used: 8 });
});
