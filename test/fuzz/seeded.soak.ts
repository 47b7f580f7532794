import assert from "node:assert/strict";
import { test } from "node:test";
import { find, seededBugs, story } from "./seeded.ts";

/** Time that the fuzzer has for each bug. */
const BOX_SECONDS = 120;

for (const bug of seededBugs()) {
  test(`the fuzzer finds the seeded bug ${bug}`, (t) => {
    const found = find(bug, BOX_SECONDS);
    assert.ok(found, `not found within ${BOX_SECONDS} s: ${story(bug)}`);
    t.diagnostic(`${found.seconds.toFixed(1)} s: ${found.finding}`);
  });
}
