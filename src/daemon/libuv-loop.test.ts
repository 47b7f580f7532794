import assert from "node:assert/strict";
import { closeSync, readSync, writeSync } from "node:fs";
import { test } from "node:test";
import { socketPair } from "../linux/socket-pair.ts";
import { SystemError } from "../linux/system-error.ts";
import { LibuvLoop } from "./libuv-loop.ts";

const loop = new LibuvLoop();

test("soon runs behind the current callback", async () => {
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    loop.soon(() => {
      order.push("soon");
      resolve();
    });
    order.push("now");
  });
  assert.deepEqual(order, ["now", "soon"]);
});

test("a timer that was cancelled does not run", async () => {
  let ran = false;
  loop
    .after(1, () => {
      ran = true;
    })
    .cancel();
  await new Promise<void>((resolve) => {
    loop.after(20, resolve);
  });
  assert.equal(ran, false);
});

test("after does not run before its time by the clock of the loop", async () => {
  const from = loop.now();
  await new Promise<void>((resolve) => {
    loop.after(20, resolve);
  });
  assert(loop.now() - from >= 19, `${loop.now() - from} ms`);
});

test("watch tells of bytes to read", { skip: process.platform !== "linux" }, async () => {
  const pair = socketPair();
  assert(!(pair instanceof SystemError));
  const [ours, theirs] = pair;
  const reading = new Promise<void>((resolve) => {
    const watching = loop.watch(ours, "readable", () => {
      watching.cancel();
      resolve();
    });
  });
  writeSync(theirs, "x");
  await reading;
  assert.equal(readSync(ours, Buffer.alloc(8)), 1);
  closeSync(ours);
  closeSync(theirs);
  assert.throws(() => loop.watch(9_999, "readable", () => {}), SystemError);
});
