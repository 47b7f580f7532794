import assert from "node:assert/strict";
import { test } from "node:test";
import { InFlight } from "./in-flight.ts";

test("requests are found under their numbers, whatever comes and goes between them", () => {
  const table = new InFlight();
  const model = new Map<number, number>();
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  for (let step = 0; step < 50_000; step++) {
    // Few low bits, many high ones: places in the table are fought for, also around its end.
    const number = ((random(6) << 29) | (random(3) * 30 + random(9))) >>> 0;
    if (model.has(number)) {
      table.remove(number);
      model.delete(number);
    } else if (random(300) < 200 - model.size) {
      table.put(table.vacancy(number), number, step);
      assert.equal(table.vacancy(number), -1);
      model.set(number, step);
    }
    const probe = ((random(6) << 29) | (random(3) * 30 + random(9))) >>> 0;
    assert.equal(table.find(probe), model.get(probe) ?? -1);
  }
  assert.ok(model.size > 20);
  for (const [number, tag] of model) assert.equal(table.find(number), tag);
});

test("a request that is not there is removed without harm", () => {
  const table = new InFlight();
  table.put(table.vacancy(64), 64, 1);
  table.remove(0);
  assert.equal(table.find(64), 1);
});
