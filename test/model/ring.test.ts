import assert from "node:assert/strict";
import { test } from "node:test";
import { explore } from "./explore.ts";
import { ringModel } from "./ring-model.ts";
import { RING_RULES, type RingRules, type RingSize } from "./ring-threads.ts";
import type { StoreOrder } from "./store-buffers.ts";

/** Two lines, more messages than fit, and indices that wrap on the way. */
const SIZE: RingSize = { lineBytes: 64, lines: 2, messages: 4, firstIndex: 448, indexModulus: 512 };

const ORDERS: readonly StoreOrder[] = ["sequential", "total", "weak"];

for (const order of ORDERS) {
  test(`no wake-up and no message is lost with ${order} stores`, (t) => {
    const { states, failure } = explore(ringModel(order, RING_RULES, SIZE));
    assert.equal(failure, undefined, failure && [failure.why, ...failure.steps].join("\n"));
    t.diagnostic(`${states} states`);
  });
}

/** What each rule is for: with which stores its absence is found, and as what. */
const NEEDED: readonly (readonly [keyof RingRules, StoreOrder, RegExp])[] = [
  ["fenceAfterIndex", "total", /both wait/],
  ["fenceAfterIndex", "weak", /both wait/],
  ["fenceAfterFlag", "total", /both wait/],
  ["fenceAfterFlag", "weak", /both wait/],
  ["releaseIndex", "weak", /is read as/],
  ["lookAgain", "sequential", /both wait/],
  ["lookForRoom", "sequential", /written over|is read as/],
  ["readBeforeRoom", "sequential", /written over|is read as/],
];

for (const [rule, order, why] of NEEDED) {
  test(`without ${rule} the ring breaks with ${order} stores`, () => {
    const { failure } = explore(ringModel(order, { ...RING_RULES, [rule]: false }, SIZE));
    assert(failure !== undefined, "nothing was found");
    assert.match(failure.why, why);
    assert(failure.steps.length > 0);
  });
}

test("what fences and release are for does not show with sequential stores", () => {
  for (const rule of ["fenceAfterIndex", "fenceAfterFlag", "releaseIndex"] as const) {
    assert.equal(explore(ringModel("sequential", { ...RING_RULES, [rule]: false }, SIZE)).failure, undefined);
  }
  assert.equal(explore(ringModel("total", { ...RING_RULES, releaseIndex: false }, SIZE)).failure, undefined);
});
