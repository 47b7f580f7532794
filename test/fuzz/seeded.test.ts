import assert from "node:assert/strict";
import { test } from "node:test";
import { find, misfit, seededBugs } from "./seeded.ts";

test("there are seeded bugs to find", () => {
  assert.ok(seededBugs().length >= 5);
});

for (const bug of seededBugs()) {
  test(`the seeded bug ${bug} fits the sources`, () => {
    assert.equal(misfit(bug), undefined);
  });
}

test("the fuzzer finds a seeded bug", () => {
  assert.ok(find("lent-data-kept", 60, "UsbipServer"));
});
