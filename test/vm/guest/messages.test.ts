import assert from "node:assert/strict";
import { test } from "node:test";
import { LineSplitter } from "./messages.ts";

test("joins a line from pieces and cuts pieces into lines, also inside a character", () => {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  for (const byte of Buffer.from("aé\n\nb")) splitter.push(Buffer.from([byte]));
  assert.deepEqual(lines, ["aé", ""]);
  splitter.push(Buffer.from("c\nd\n"));
  assert.deepEqual(lines, ["aé", "", "bc", "d"]);
});
