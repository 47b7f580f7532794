import assert from "node:assert/strict";
import { closeSync, readSync, writeSync } from "node:fs";
import { test } from "node:test";
import { onLinux, openPair, openPollLoop } from "../../../test/support/poll-loop.ts";

test("soon runs behind the current callback, and what it asks for in the next turn", onLinux, () => {
  const loop = openPollLoop();
  const order: string[] = [];
  loop.after(0, () => {
    loop.soon(() => {
      order.push("soon");
      loop.soon(() => {
        order.push("sooner or later");
        loop.stop();
      });
      loop.after(0, () => order.push("timer"));
    });
    order.push("now");
  });
  loop.run();
  assert.deepEqual(order, ["now", "soon", "timer", "sooner or later"]);
});

test("timers run in order and never early, by the clock of the loop", onLinux, () => {
  const loop = openPollLoop();
  const from = loop.now();
  const order: number[] = [];
  for (const delayMs of [30, 10, 20]) {
    loop.after(delayMs, () => {
      assert(loop.now() - from >= delayMs, `${loop.now() - from} of ${delayMs} ms`);
      order.push(delayMs);
      if (delayMs === 30) loop.stop();
    });
  }
  loop.after(15, () => order.push(15)).cancel();
  loop.run();
  assert.deepEqual(order, [10, 20, 30]);
});

test("a loop that has nothing to do sleeps", onLinux, () => {
  const loop = openPollLoop();
  loop.after(300, () => loop.stop());
  const before = process.cpuUsage();
  loop.run();
  const { user, system } = process.cpuUsage(before);
  assert(user + system < 150_000, `${user + system} us of processor time in 300 ms`);
});

test("callbacks that ask for more without end hold up neither timers nor descriptors", onLinux, () => {
  const loop = openPollLoop();
  const [ours, theirs] = openPair();
  const again = (): void => loop.soon(again);
  const atOnce = (): void => void loop.after(0, atOnce);
  again();
  atOnce();
  let ticks = 0;
  loop.after(1, () => ticks++);
  loop.watch(ours, "readable", () => loop.stop());
  loop.after(5, () => writeSync(theirs, "x"));
  loop.run();
  assert.equal(ticks, 1);
  closeSync(ours);
  closeSync(theirs);
});

test("a watch tells of its direction until it is cancelled", onLinux, () => {
  const loop = openPollLoop();
  const [ours, theirs] = openPair();
  const told: string[] = [];
  const reading = loop.watch(ours, "readable", () => {
    told.push("readable");
    readSync(ours, Buffer.alloc(8));
    reading.cancel();
    writeSync(theirs, "y");
    loop.after(5, () => loop.stop());
  });
  const writing = loop.watch(ours, "writable", () => {
    told.push("writable");
    writing.cancel();
    writing.cancel();
    writeSync(theirs, "x");
  });
  loop.run();
  assert.deepEqual(told, ["writable", "readable"]);
  closeSync(ours);
  closeSync(theirs);
});

test(
  "a descriptor that another callback gave up is not told of, nor is its successor of its news",
  onLinux,
  () => {
    const loop = openPollLoop();
    const pairs = Array.from({ length: 40 }, openPair);
    const told = new Set<number>();
    const watches = pairs.map(([ours, theirs], i) => {
      writeSync(theirs, "x");
      return loop.watch(ours, "readable", () => {
        told.add(i);
        // The first one told ends all others and takes a place of theirs for a silent one.
        for (const watch of watches) watch.cancel();
        loop.watch(silent, "readable", () => assert.fail("it has nothing to read"));
        loop.after(5, () => loop.stop());
      });
    });
    const [silent, other] = openPair();
    loop.run();
    assert.equal(told.size, 1);
    for (const fd of [...pairs.flat(), silent, other]) closeSync(fd);
  },
);

test("what a callback throws comes out of run", onLinux, () => {
  const loop = openPollLoop();
  loop.soon(() => {
    throw new Error("ours");
  });
  assert.throws(() => loop.run(), /ours/);
});

test("a descriptor that is always expected to have more holds up neither others nor timers", onLinux, () => {
  const loop = openPollLoop();
  const [ours, theirs] = openPair();
  const [other, far] = openPair();
  writeSync(theirs, "x");
  let told = 0;
  const busy = loop.attend(ours, () => {
    told++;
    busy.expect();
  });
  busy.wish(true, false);
  let ticks = 0;
  loop.after(1, () => {
    ticks++;
    writeSync(far, "x");
  });
  loop.watch(other, "readable", () => loop.stop());
  loop.run();
  assert(told > 1);
  assert.equal(ticks, 1);
  for (const fd of [ours, theirs, other, far]) closeSync(fd);
});

test("a descriptor that has ended is not told of, whatever was expected of it", onLinux, () => {
  const loop = openPollLoop();
  const [ours, theirs] = openPair();
  writeSync(theirs, "x");
  let told = 0;
  const ending = loop.attend(ours, () => {
    told++;
    ending.expect();
    loop.soon(() => ending.end());
    loop.after(5, () => loop.stop());
  });
  ending.wish(true, false);
  loop.run();
  assert.equal(told, 1);
  closeSync(ours);
  closeSync(theirs);
});
