import assert from "node:assert/strict";
import { test } from "node:test";
import { Fifo } from "./fifo.ts";

test("it does what an array does, through growing and turning round", () => {
  const queue = new Fifo<number>();
  const model: number[] = [];
  for (let step = 0; step < 5_000; step++) {
    const choice = (step * 7919) % 11;
    if (choice < 5 + (step % 700 < 350 ? 1 : -1)) {
      queue.push(step);
      model.push(step);
    } else if (choice < 9) {
      assert.equal(queue.shift(), model.shift());
    } else if (choice === 9) {
      assert.equal(queue.pop(), model.pop());
    } else if (model.length > 2) {
      const at = step % model.length;
      assert.equal(queue.indexOf(model[at]!), at);
      queue.removeAt(at);
      model.splice(at, 1);
    }
    assert.equal(queue.length, model.length);
    assert.equal(queue.first, model[0]);
    assert.equal(queue.at(model.length - 1), model.at(-1));
  }
  assert.deepEqual(
    Array.from({ length: queue.length }, (_, i) => queue.at(i)),
    model,
  );
  assert.equal(queue.at(queue.length), undefined);
  assert.equal(queue.indexOf(-1), -1);
});
