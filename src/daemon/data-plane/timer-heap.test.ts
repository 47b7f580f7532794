import assert from "node:assert/strict";
import { test } from "node:test";
import { TimerHeap } from "./timer-heap.ts";

test("timers run in the order of their times, those of one time in the order in which they were set", () => {
  const timers = new TimerHeap();
  const ran: string[] = [];
  for (const [name, atMs] of [
    ["d", 9],
    ["b", 5],
    ["a", 1],
    ["c", 5],
    ["e", 10],
  ] as const) {
    timers.add(atMs, () => ran.push(name));
  }
  assert.equal(timers.dueMs, 1);
  timers.run(5);
  assert.deepEqual(ran, ["a", "b", "c"]);
  assert.equal(timers.dueMs, 9);
  timers.run(100);
  assert.deepEqual(ran, ["a", "b", "c", "d", "e"]);
  assert.equal(timers.dueMs, undefined);
});

test("any of many timers may be cancelled, and again; the others keep their order", () => {
  const timers = new TimerHeap();
  const ran: number[] = [];
  // 37 and 1,000 have no common divisor, so that each time from 0 to 999 occurs once.
  const times = Array.from({ length: 1000 }, (_, i) => (i * 37) % 1000);
  const set = times.map((atMs) => timers.add(atMs, () => ran.push(atMs)));
  for (const [i, atMs] of times.entries()) {
    if (atMs % 3 !== 0) continue;
    set[i]!.cancel();
    set[i]!.cancel();
  }
  timers.run(1000);
  assert.deepEqual(
    ran,
    Array.from({ length: 1000 }, (_, i) => i).filter((atMs) => atMs % 3 !== 0),
  );
  for (const timer of set) timer.cancel();
});

test("a timer may cancel the next one, and one that sets itself again waits for the next round", () => {
  const timers = new TimerHeap();
  let rounds = 0;
  const again = (): void => {
    rounds++;
    timers.add(1, again);
  };
  again();
  const next = timers.add(3, () => assert.fail("it was cancelled"));
  timers.add(2, () => next.cancel());
  timers.run(10);
  assert.equal(rounds, 2);
  timers.run(10);
  assert.equal(rounds, 3);
});
