import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_SLOT, SlotMap } from "./slot-map.ts";

test("the lowest run that fits is taken, and given ones are taken again", () => {
  const map = new SlotMap(10);
  assert.deepEqual([map.take(1), map.take(3), map.take(2)], [0, 1, 4]);
  map.give(1, 3);
  assert.deepEqual([map.take(2), map.take(2), map.take(1)], [1, 6, 3]);
  assert.equal(map.used, 8);
  assert.deepEqual([map.take(3), map.take(2), map.take(1)], [NO_SLOT, 8, NO_SLOT]);
  assert.equal(map.used, 10);
});

test("a run needs slots side by side", () => {
  const map = new SlotMap(6);
  for (let i = 0; i < 6; i++) map.take(1);
  for (const slot of [0, 2, 4]) map.give(slot, 1);
  assert.equal(map.take(2), NO_SLOT);
  map.give(3, 1);
  assert.equal(map.take(3), 2);
  assert.equal(map.take(7), NO_SLOT);
});

test("100,000 random takes and gives never give a slot twice, and lose none", () => {
  const count = 257;
  const map = new SlotMap(count);
  const owner = new Uint8Array(count);
  const runs: [number, number][] = [];
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let i = 0; i < 100_000; i++) {
    if (random(2) === 0 && runs.length > 0) {
      const [first, length] = runs.splice(random(runs.length), 1)[0]!;
      owner.fill(0, first, first + length);
      map.give(first, length);
    } else {
      const length = 1 + random(9);
      const first = map.take(length);
      const isThere = owner.join("").includes("0".repeat(length));
      assert.equal(first !== NO_SLOT, isThere);
      if (first === NO_SLOT) continue;
      assert(owner.subarray(first, first + length).every((used) => used === 0));
      owner.fill(1, first, first + length);
      runs.push([first, length]);
    }
    assert.equal(
      map.used,
      owner.reduce((sum, used) => sum + used, 0),
    );
  }
});
