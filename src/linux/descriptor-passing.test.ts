import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, fstatSync, readdirSync, readSync, writeSync } from "node:fs";
import { test } from "node:test";
import { onLinux, openPair } from "../../test/support/poll-loop.ts";
import { type Passed, receiveDescriptors, sendDescriptors } from "./descriptor-passing.ts";
import { EventDescriptor } from "./event-descriptor.ts";
import { WOULD_BLOCK } from "./stream-socket.ts";
import { SystemError } from "./system-error.ts";

const hello = Buffer.from("hello");

function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

function arrived(answer: ReturnType<typeof receiveDescriptors>): Passed {
  assert(typeof answer === "object" && !(answer instanceof SystemError));
  return answer;
}

function closeAll(...fds: readonly number[]): void {
  for (const fd of fds) closeSync(fd);
}

test("a passed descriptor is the same socket in another number, and no child has it", onLinux, () => {
  const [near, far] = openPair();
  const [given, peer] = openPair();
  assert.equal(sendDescriptors(near, hello, [given]), hello.length);
  const bytes = new Uint8Array(16);
  const { length, fds } = arrived(receiveDescriptors(far, bytes, 4));
  assert.equal(Buffer.from(bytes.subarray(0, length)).toString(), "hello");
  assert.equal(fds.length, 1);
  assert.notEqual(fds[0], given);
  assert.equal(fstatSync(fds[0]!).ino, fstatSync(given).ino);
  closeSync(given);
  writeSync(fds[0]!, "through");
  const buffer = Buffer.alloc(16);
  assert.equal(buffer.toString("latin1", 0, readSync(peer, buffer)), "through");
  assert.equal(spawnSync("/bin/sh", ["-c", `[ -e /proc/self/fd/${fds[0]} ]`]).status, 1);
  closeAll(near, far, peer, ...fds);
});

test("several descriptors keep their order, and bytes without any have none", onLinux, () => {
  const [near, far] = openPair();
  const [one, two] = openPair();
  const event = EventDescriptor.open();
  assert(event instanceof EventDescriptor);
  assert.equal(sendDescriptors(near, hello, [one, two, event.fd]), hello.length);
  writeSync(near, "more");
  const bytes = new Uint8Array(5);
  const { fds } = arrived(receiveDescriptors(far, bytes, 3));
  assert.deepEqual(
    fds.map((fd) => fstatSync(fd).ino),
    [one, two, event.fd].map((fd) => fstatSync(fd).ino),
  );
  assert.deepEqual(arrived(receiveDescriptors(far, bytes, 3)), { length: 4, fds: [] });
  assert.equal(receiveDescriptors(far, bytes, 3), WOULD_BLOCK);
  closeSync(near);
  assert.deepEqual(arrived(receiveDescriptors(far, bytes, 3)), { length: 0, fds: [] });
  event.close();
  closeAll(far, one, two, ...fds);
});

test("a signal of one side is read through the descriptor of the other", onLinux, () => {
  const [near, far] = openPair();
  const event = EventDescriptor.open();
  assert(event instanceof EventDescriptor);
  sendDescriptors(near, hello, [event.fd]);
  const { fds } = arrived(receiveDescriptors(far, new Uint8Array(8), 1));
  const theirs = EventDescriptor.of(fds[0]!);
  assert(theirs instanceof EventDescriptor);
  theirs.signal();
  theirs.signal();
  const count = Buffer.alloc(8);
  assert.equal(readSync(event.fd, count), 8);
  assert.equal(count.readBigUInt64LE(), 2n);
  assert.throws(() => readSync(event.fd, count), { code: "EAGAIN" });
  theirs.close();
  event.close();
  closeAll(near, far);
});

test("more descriptors than are expected are closed, all of them", onLinux, () => {
  const [near, far] = openPair();
  const before = openDescriptors();
  for (const [sent, wanted] of [
    [2, 1],
    [3, 1],
    [7, 2],
    [253, 3],
  ]) {
    sendDescriptors(
      near,
      hello,
      Array.from({ length: sent! }, () => near),
    );
    const refused = receiveDescriptors(far, new Uint8Array(8), wanted!);
    assert(refused instanceof SystemError, `${sent} sent, ${wanted} wanted`);
    assert.equal(refused.code, "EMSGSIZE");
    assert.equal(openDescriptors(), before);
  }
  closeAll(near, far);
});

test("a peer that is gone, or does not read, is an answer and no signal", onLinux, () => {
  const [near, far] = openPair();
  const many = new Uint8Array(64 << 10);
  let answer = sendDescriptors(near, many, [near]);
  for (; typeof answer === "number" && answer > 0; ) answer = sendDescriptors(near, many, [near]);
  assert(
    answer === WOULD_BLOCK || (answer instanceof SystemError && answer.code === "ETOOMANYREFS"),
    String(answer),
  );
  closeSync(far);
  const refused = sendDescriptors(near, hello, [near]);
  assert(refused instanceof SystemError);
  assert.equal(refused.code, "EPIPE");
  const reset = receiveDescriptors(near, new Uint8Array(8), 1);
  assert(reset instanceof SystemError);
  assert.equal(reset.code, "ECONNRESET");
  closeSync(near);
});
