import assert from "node:assert/strict";
import { test } from "node:test";
import { explore } from "./explore.ts";
import { ringModel } from "./ring-model.ts";
import { RING_RULES, type RingRules, type RingSize, type Wait } from "./ring-threads.ts";
import type { StoreOrder } from "./store-buffers.ts";

/** Two lines, more messages than fit, and indices that wrap on the way. */
const SIZE: RingSize = { lineBytes: 64, lines: 2, messages: 4, firstIndex: 448, indexModulus: 512 };

/** Bells that count have more states: the least number that fills the ring. */
function sizeOf(wait: Wait): RingSize {
  return wait === "word" ? { ...SIZE, messages: 3 } : SIZE;
}

const ORDERS: readonly StoreOrder[] = ["sequential", "total", "weak"];

const WAITS: readonly Wait[] = ["descriptor", "word"];

for (const order of ORDERS) {
  for (const wait of WAITS) {
    test(`no wake-up and no message is lost with ${order} stores, waiting for a ${wait}`, (t) => {
      const { states, failure } = explore(ringModel(order, wait, RING_RULES, sizeOf(wait)));
      assert.equal(failure, undefined, failure && [failure.why, ...failure.steps].join("\n"));
      t.diagnostic(`${states} states`);
    });
  }
}

/** What each rule is for: with which stores its absence is found, and as what. */
const NEEDED: readonly (readonly [keyof RingRules, StoreOrder, RegExp, Wait?])[] = [
  ["fenceAfterIndex", "total", /both wait/],
  ["fenceAfterIndex", "weak", /both wait/],
  ["fenceAfterFlag", "total", /both wait/],
  ["fenceAfterFlag", "weak", /both wait/],
  ["releaseIndex", "weak", /is read as/],
  ["lookAgain", "sequential", /both wait/],
  ["bellBeforeFlag", "sequential", /both wait/, "word"],
  ["fenceAfterBell", "total", /both wait/, "word"],
  ["lookForRoom", "sequential", /written over|is read as/],
  ["readBeforeRoom", "sequential", /written over|is read as/],
];

for (const [rule, order, why, wait = "descriptor"] of NEEDED) {
  test(`without ${rule} the ring breaks with ${order} stores`, () => {
    const { failure } = explore(ringModel(order, wait, { ...RING_RULES, [rule]: false }, sizeOf(wait)));
    assert(failure !== undefined, "nothing was found");
    assert.match(failure.why, why);
    assert(failure.steps.length > 0);
  });
}

test("what fences and release are for does not show with sequential stores", () => {
  for (const rule of ["fenceAfterIndex", "fenceAfterFlag", "releaseIndex"] as const) {
    assert.equal(
      explore(ringModel("sequential", "descriptor", { ...RING_RULES, [rule]: false }, SIZE)).failure,
      undefined,
    );
  }
  assert.equal(
    explore(ringModel("total", "descriptor", { ...RING_RULES, releaseIndex: false }, SIZE)).failure,
    undefined,
  );
});
