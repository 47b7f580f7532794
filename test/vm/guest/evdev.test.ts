import assert from "node:assert/strict";
import { test } from "node:test";
import { parseInputEvents } from "./evdev.ts";

test("parses whole events and leaves a cut one", () => {
  const bytes = Buffer.from(
    "1112131415161718" + // seconds
      "2122232425262728" + // microseconds
      "0100" + // type
      "1e00" + // code
      "ffffffff" + // value
      "00".repeat(10),
    "hex",
  );
  assert.deepEqual(parseInputEvents(bytes), [{ type: 1, code: 30, value: -1 }]);
});
