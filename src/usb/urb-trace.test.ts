import assert from "node:assert/strict";
import { test } from "node:test";
import { createUrb } from "./urb.ts";
import { UrbTrace } from "./urb-trace.ts";

test("the last ones are kept, oldest first", () => {
  const trace = new UrbTrace();
  const urb = createUrb(0);
  for (let seqnum = 1; seqnum <= 70_000; seqnum++) {
    trace.add(0, { seqnum, arrivedMs: 0, completedMs: 0, urb }, 0);
  }
  const seqnums = trace.read().map(({ seqnum }) => seqnum);
  assert.equal(seqnums.at(-1), 70_000);
  assert.equal(seqnums[0], 70_001 - seqnums.length);
  assert.ok(seqnums.length > 65_000);
});
