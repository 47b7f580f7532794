import assert from "node:assert/strict";
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { watch } from "./descriptor-watch.ts";
import { socketPair } from "./socket-pair.ts";
import { SystemError } from "./system-error.ts";

const onLinux = { skip: process.platform === "linux" ? false : "needs Linux" };

function pair(): readonly [number, number] {
  const made = socketPair();
  assert(!(made instanceof SystemError), String(made));
  return made;
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 2_000;
  while (!condition()) {
    assert(performance.now() < deadline, "nothing happened for 2 s");
    await turn();
  }
}

test("a watch tells that bytes can be read, and is silent before and after", onLinux, async () => {
  const [ours, theirs] = pair();
  const read: string[] = [];
  const watching = watch(ours, "readable", () => {
    const buffer = Buffer.alloc(16);
    read.push(buffer.toString("latin1", 0, readSync(ours, buffer)));
  });
  assert(!(watching instanceof SystemError));
  for (let i = 0; i < 10; i++) await turn();
  assert.deepEqual(read, []);
  writeSync(theirs, "ab");
  await until(() => read.length > 0);
  assert.deepEqual(read, ["ab"]);

  watching.cancel();
  watching.cancel();
  writeSync(theirs, "cd");
  for (let i = 0; i < 10; i++) await turn();
  assert.deepEqual(read, ["ab"]);
  closeSync(ours);
  closeSync(theirs);
});

test("both directions of one descriptor are watched and cancelled apart", onLinux, async () => {
  const [ours, theirs] = pair();
  let readable = 0;
  let writable = 0;
  const reading = watch(ours, "readable", () => {
    readable++;
    readSync(ours, Buffer.alloc(16));
  });
  const writing = watch(ours, "writable", () => void writable++);
  assert(!(reading instanceof SystemError) && !(writing instanceof SystemError));
  await until(() => writable > 0);
  assert.equal(readable, 0);
  writing.cancel();
  const before = writable;
  writeSync(theirs, "x");
  await until(() => readable > 0);
  assert.equal(writable, before);
  reading.cancel();
  closeSync(ours);
  closeSync(theirs);
});

test("a hang-up of the other end is readable", onLinux, async () => {
  const [ours, theirs] = pair();
  let length = -1;
  const watching = watch(ours, "readable", () => {
    length = readSync(ours, Buffer.alloc(16));
  });
  assert(!(watching instanceof SystemError));
  closeSync(theirs);
  await until(() => length === 0);
  watching.cancel();
  closeSync(ours);
});

test("a watch survives garbage collection", onLinux, async () => {
  const [ours, theirs] = pair();
  let readable = 0;
  // Nothing but the watch itself leads to the watch.
  (() => {
    const watching = watch(ours, "readable", () => {
      readable++;
      if (!(watching instanceof SystemError)) watching.cancel();
    });
  })();
  const { setFlagsFromString } = await import("node:v8");
  const { runInNewContext } = await import("node:vm");
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let i = 0; i < 5; i++) {
    collect();
    await turn();
  }
  writeSync(theirs, "x");
  await until(() => readable > 0);
  closeSync(ours);
  closeSync(theirs);
});

test("a closed descriptor and a plain file are refused as values", onLinux, () => {
  const closed = watch(9_999, "readable", () => {});
  assert(closed instanceof SystemError);
  assert.equal(closed.code, "EBADF");
  const file = openSync("/etc/passwd", "r");
  const refused = watch(file, "readable", () => {});
  assert(refused instanceof SystemError);
  assert.equal(refused.code, "EPERM");
  closeSync(file);
});
