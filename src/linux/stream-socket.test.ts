import assert from "node:assert/strict";
import { closeSync, readSync } from "node:fs";
import { test } from "node:test";
import { onLinux, openPair } from "../../test/support/poll-loop.ts";
import { duplicate, StreamSockets, WOULD_BLOCK } from "./stream-socket.ts";
import { SystemError } from "./system-error.ts";

const sockets = open();

function open(): StreamSockets {
  const opened = StreamSockets.open();
  assert(opened instanceof StreamSockets);
  return opened;
}

function read(fd: number): Buffer {
  const bytes = Buffer.alloc(256 * 1024);
  const length = sockets.receive(fd, bytes);
  assert(typeof length === "number" && length > 0);
  return bytes.subarray(0, length);
}

test("chunks leave in one call, from the middle of one on", onLinux, () => {
  const [ours, theirs] = openPair();
  const page = Buffer.from("one two three four");
  const chunks = [page.subarray(0, 4), page.subarray(4, 8), new Uint8Array(0), page.subarray(8)];
  assert.equal(sockets.send(ours, chunks, 0, 0), 18);
  assert.equal(sockets.send(ours, chunks, 1, 1), 13);
  assert.equal(read(theirs).toString(), "one two three fourwo three four");
  closeSync(ours);
  closeSync(theirs);
});

test("bytes that stood inside their array are found where they are", onLinux, () => {
  const [ours, theirs] = openPair();
  const small = new Uint8Array([1, 2, 3]);
  assert.equal(sockets.send(ours, [small, new Uint8Array([4])], 0, 0), 4);
  assert.deepEqual([...read(theirs)], [1, 2, 3, 4]);
  closeSync(ours);
  closeSync(theirs);
});

test("no more than so many bytes leave in one call, and the rest in the next", onLinux, () => {
  const [ours, theirs] = openPair();
  const chunks = ["one ", "two ", "three ", "four"].map((word) => Buffer.from(word));
  assert.equal(sockets.send(ours, chunks, 0, 0, 10), 10);
  assert.equal(sockets.send(ours, chunks, 2, 2, 10), 8);
  assert.equal(sockets.send(ours, chunks, 0, 1, 2), 2);
  assert.equal(sockets.send(ours, chunks, 0, 0), 18, "what was cut before is whole again");
  assert.equal(read(theirs).toString(), "one two three fourneone two three four");
  closeSync(ours);
  closeSync(theirs);
});

test("a chunk by itself leaves from its middle on, and as much of it as may leave", onLinux, () => {
  const [ours, theirs] = openPair();
  const page = Buffer.from("one two three four");
  const [first, second] = [page.subarray(4, 13), page.subarray(14)];
  assert.equal(sockets.send(ours, [first], 0, 0), 9);
  assert.equal(sockets.send(ours, [first], 0, 4), 5);
  assert.equal(sockets.send(ours, [first, second], 1, 1), 3);
  assert.equal(sockets.send(ours, [first], 0, 2, 4), 4);
  assert.equal(sockets.send(ours, [second], 0, 0, 10), 4);
  assert.equal(read(theirs).toString(), "two threethreeouro thfour");
  closeSync(ours);
  closeSync(theirs);
});

test("more chunks than the system takes leave in several calls", onLinux, () => {
  const [ours, theirs] = openPair();
  const chunks = Array.from({ length: 1500 }, (_, i) => Uint8Array.of(i & 0xff));
  assert.equal(sockets.send(ours, chunks, 0, 0), 1024);
  assert.equal(sockets.send(ours, chunks, 1024, 0), 476);
  let received = 0;
  while (received < 1500) received += read(theirs).length;
  closeSync(ours);
  closeSync(theirs);
});

test("a call that would have to wait says so", onLinux, () => {
  const [ours, theirs] = openPair();
  assert.equal(sockets.receive(ours, new Uint8Array(8)), WOULD_BLOCK);
  const chunk = [new Uint8Array(1 << 20)];
  const taken = sockets.send(ours, chunk, 0, 0);
  assert(typeof taken === "number" && taken > 0 && taken < 1 << 20, String(taken));
  assert.equal(sockets.send(ours, chunk, 0, taken), WOULD_BLOCK);
  closeSync(ours);
  closeSync(theirs);
});

test("the end of the peer is 0, and a peer that is gone is an error and no signal", onLinux, () => {
  const [ours, theirs] = openPair();
  sockets.finish(theirs);
  assert.equal(sockets.receive(ours, new Uint8Array(8)), 0);
  sockets.close(theirs);
  const failed = sockets.send(ours, [Uint8Array.of(1)], 0, 0);
  assert(failed instanceof SystemError);
  assert.deepEqual([failed.code, failed.call], ["EPIPE", "send"]);
  const several = sockets.send(ours, [Uint8Array.of(1), Uint8Array.of(2)], 0, 0);
  assert(several instanceof SystemError);
  assert.deepEqual([several.code, several.call], ["EPIPE", "sendmsg"]);
  sockets.close(ours);
  const closed = sockets.receive(ours, new Uint8Array(8));
  assert(closed instanceof SystemError);
  assert.equal(closed.code, "EBADF");
});

test("a duplicate goes on when the first is closed", onLinux, () => {
  const [ours, theirs] = openPair();
  const copy = duplicate(ours);
  assert(typeof copy === "number");
  closeSync(ours);
  sockets.send(copy, [Uint8Array.of(7)], 0, 0);
  assert.equal(readSync(theirs, Buffer.alloc(1)), 1);
  closeSync(copy);
  closeSync(theirs);
  const failed = duplicate(ours);
  assert(failed instanceof SystemError);
  assert.equal(failed.code, "EBADF");
});
