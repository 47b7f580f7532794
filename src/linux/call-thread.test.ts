import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { onLinux, openPair, openPollLoop } from "../../test/support/poll-loop.ts";
import { Arena } from "./arena.ts";
import { CallList } from "./call-list.ts";
import { callInThread, type WatchReadable } from "./call-thread.ts";
import { watch } from "./descriptor-watch.ts";
import { SystemError } from "./system-error.ts";

/** ioctl_tty(2): bytes that can be read. */
const FIONREAD = 0x541b;
const EBADF = 9;
const O_RDONLY = 0;

const folder = mkdtempSync(join(tmpdir(), "usbferry-calls-"));
after(() => rmSync(folder, { recursive: true }));

const onEventLoop: WatchReadable = (fd, callback) => {
  const watching = watch(fd, "readable", callback);
  assert(!(watching instanceof SystemError));
  return watching;
};

function arena(): Arena {
  const made = Arena.anonymous(4096);
  assert(made instanceof Arena);
  return made;
}

function called(calls: CallList): Promise<void> {
  return new Promise((resolve) => {
    assert.equal(callInThread(calls, onEventLoop, resolve), undefined);
  });
}

/** Opening one end of a FIFO waits for somebody who opens the other (fifo(7)). */
function hangingOpen(name: string): { readonly calls: CallList; readonly release: () => void } {
  const path = join(folder, name);
  execFileSync("mkfifo", [path]);
  const memory = arena();
  memory.bytes.set(Buffer.from(`${path}\0`));
  const calls = new CallList();
  calls.open(memory.address, O_RDONLY);
  return { calls, release: () => closeSync(openSync(path, "w")) };
}

test("calls are made in order, each with its own result, also behind one that fails", onLinux, async () => {
  const [ours, theirs] = openPair();
  const memory = arena();
  const calls = new CallList();
  calls.ioctl(ours, FIONREAD, memory.address);
  calls.ioctl(9_999, FIONREAD, memory.address + 4);
  calls.close(theirs);
  calls.close(theirs);
  await called(calls);
  assert.deepEqual(
    [0, 1, 2, 3].map((i) => calls.result(i)),
    [0, -EBADF, 0, -EBADF],
  );
  closeSync(ours);
});

test("a list is used again, longer than before", onLinux, async () => {
  const [ours, theirs] = openPair();
  const memory = arena();
  const calls = new CallList();
  for (const count of [1, 200]) {
    calls.clear();
    for (let i = 0; i < count; i++) calls.ioctl(ours, FIONREAD, memory.address + 4 * i);
    memory.bytes.fill(0xff);
    await called(calls);
    assert.equal(calls.length, count);
    assert(memory.bytes.subarray(0, 4 * count).every((byte) => byte === 0));
    assert(memory.bytes.subarray(4 * count).every((byte) => byte === 0xff));
  }
  closeSync(ours);
  closeSync(theirs);
});

test("lists that hang hold no other one up", onLinux, async () => {
  const hanging = Array.from({ length: 5 }, (_, i) => hangingOpen(`fifo-${i}`));
  const ends = hanging.map(({ calls }) => called(calls));
  let ended = 0;
  for (const end of ends) void end.then(() => ended++);
  const quick = new CallList();
  quick.close(9_999);
  await called(quick);
  assert.deepEqual([quick.result(0), ended], [-EBADF, 0]);
  for (const { release } of hanging) release();
  await Promise.all(ends);
  for (const { calls } of hanging) {
    assert(calls.result(0) > 2, String(calls.result(0)));
    closeSync(calls.result(0));
  }
});

test("a loop that never returns to the event loop has its calls made too", onLinux, () => {
  const loop = openPollLoop();
  const watchPolled: WatchReadable = (fd, callback) => loop.watch(fd, "readable", callback);
  const hanging = hangingOpen("polled");
  const quick = new CallList();
  quick.close(9_999);
  const done: string[] = [];
  callInThread(hanging.calls, watchPolled, () => done.push("hanging"));
  callInThread(quick, watchPolled, () => {
    done.push("quick");
    hanging.release();
  });
  const patience = performance.now() + 10_000;
  // Not one turn of the event loop: both threads start and answer without it.
  while (done.length < 2 && performance.now() < patience) loop.turn(100);
  assert.deepEqual(done, ["quick", "hanging"]);
  closeSync(hanging.calls.result(0));
});
