import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualLoop } from "../../test/support/manual-loop.ts";
import { memoryPair } from "../links/memory.ts";
import { StallWatch } from "./stall-watch.ts";

test("a peer that had nothing to take for long has all its time for what it is sent then", () => {
  const [link] = memoryPair(new ManualLoop());
  const watch = new StallWatch(link, 8_000, 0);
  watch.rested(60_000);
  watch.write([new Uint8Array(100)], () => {});
  assert.deepEqual(
    [60_250, 67_999, 68_000].map((nowMs) => watch.isStalled(nowMs)),
    [false, false, true],
  );
});
