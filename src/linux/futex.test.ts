import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync } from "node:fs";
import { test } from "node:test";
import { onLinux } from "../../test/support/poll-loop.ts";
import { Arena } from "./arena.ts";
import { Futex, FutexWait } from "./futex.ts";
import { createMemoryFile } from "./memory-file.ts";

const PAGE = 4096;
const WORD = 64;
/** Longer than any machine needs to start a process. */
const LONG_MS = 60_000;

function shared(): { readonly fd: number; readonly arena: Arena } {
  const fd = createMemoryFile("usbferry futex", PAGE);
  assert(typeof fd === "number", String(fd));
  const arena = Arena.of(fd, PAGE);
  assert(arena instanceof Arena);
  return { fd, arena };
}

function futexAt(arena: Arena, offset: number): Futex {
  const futex = Futex.at(arena, offset);
  assert(futex instanceof Futex);
  return futex;
}

const room = (file: string) => JSON.stringify(new URL(file, import.meta.url).href);

test("a wait ends at once if the word is another one, and else with its time", onLinux, () => {
  const { fd, arena } = shared();
  const futex = futexAt(arena, WORD);
  const words = new Int32Array(arena.bytes.buffer);
  assert.equal(futex.wait(1, LONG_MS), FutexWait.changed);
  assert.equal(futex.wait(0, 1.5), FutexWait.timedOut);
  words[WORD / 4] = -1;
  assert.equal(futex.wait(-1, 1), FutexWait.timedOut);
  assert.equal(futex.wait(0xffffffff, 1), FutexWait.timedOut);
  assert.equal(futex.wake(), false);
  closeSync(fd);
  arena.free();
});

test("a process is woken by another one that has mapped the same memory", onLinux, async () => {
  const { fd, arena } = shared();
  const words = new Int32Array(arena.bytes.buffer);
  const script = `
    import { Arena } from ${room("./arena.js")};
    import { Futex } from ${room("./futex.js")};
    const arena = Arena.of(3, ${PAGE});
    const words = new Int32Array(arena.bytes.buffer);
    const futex = Futex.at(arena, ${WORD});
    Atomics.store(words, ${WORD / 4}, 1);
    const ended = futex.wait(1, ${LONG_MS});
    console.log(ended, Atomics.load(words, ${WORD / 4}));
  `;
  const argv = ["--input-type=module", "--eval", script];
  const sleeper = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit", fd] });
  const output = once(sleeper.stdout!, "data");
  const futex = futexAt(arena, WORD);
  // It has said that it goes to sleep, and sleeps when somebody is found to wake.
  const deadlineMs = performance.now() + LONG_MS;
  while (!futex.wake()) {
    assert(performance.now() < deadlineMs, "nobody sleeps there");
    // oxlint-disable-next-line no-await-in-loop
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  assert.equal(Atomics.load(words, WORD / 4), 1);
  assert.equal(String((await output)[0]).trim(), `${FutexWait.woken} 1`);
  closeSync(fd);
  arena.free();
});

test("a word outside its arena, or between two words, is a defect of ours", onLinux, () => {
  const { fd, arena } = shared();
  assert.throws(() => Futex.at(arena, 2), /aligned word/);
  assert.throws(() => Futex.at(arena, PAGE), /aligned word/);
  closeSync(fd);
  arena.free();
});

test("at a word of a freed arena nobody is woken, and a wait ends with its time", onLinux, () => {
  const { fd, arena } = shared();
  closeSync(fd);
  const futex = futexAt(arena, WORD);
  arena.free();
  assert.equal(futex.wait(0, 1), FutexWait.timedOut);
  assert.equal(futex.wake(), false);
});
