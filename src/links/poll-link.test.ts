import assert from "node:assert/strict";
import { closeSync, readSync } from "node:fs";
import { test } from "node:test";
import { GCProfiler } from "node:v8";
import { onLinux, openPair, openPollLoop, settle } from "../../test/support/poll-loop.ts";
import { PollLink } from "./poll-link.ts";

function ignore(): void {}

test("a write of more chunks than one call takes arrives in order", onLinux, () => {
  const loop = openPollLoop();
  const [ours, theirs] = openPair();
  const link = new PollLink("ours", ours, loop);
  const other = new PollLink("theirs", theirs, loop);
  const received: number[] = [];
  other.start(
    (bytes) => void received.push(...bytes),
    () => {},
  );
  const chunks = Array.from({ length: 5000 }, (_, i) => Uint8Array.of(i >> 8, i & 0xff));
  let written = 0;
  link.write(chunks, () => written++);
  settle(loop);
  assert.equal(written, 1);
  assert.deepEqual(
    received,
    chunks.flatMap((chunk) => Array.from(chunk)),
  );
  link.destroy();
  other.destroy();
});

test("a peer that is gone does not keep a link busy that has not been started", onLinux, () => {
  const loop = openPollLoop();
  const [ours, theirs] = openPair();
  const link = new PollLink("ours", ours, loop);
  let written = 0;
  link.write([new Uint8Array(1 << 20)], () => written++);
  loop.turn(0);
  assert(link.unsent > 0);
  closeSync(theirs);
  assert(settle(loop) < 10, "the loop has turned without end");
  assert.deepEqual([written, link.unsent], [1, 0]);
  const endings: unknown[] = [];
  link.start(
    () => assert.fail("there is nothing to receive"),
    (cause) => void endings.push(cause?.code),
  );
  settle(loop);
  assert.deepEqual(endings, ["EPIPE"]);
});

test("a peer that has ended and reads nothing does not keep a link busy", onLinux, () => {
  const loop = openPollLoop();
  const [ours, theirs] = openPair();
  const link = new PollLink("ours", ours, loop);
  const endings: unknown[] = [];
  link.start(
    () => {},
    (cause) => void endings.push(cause),
  );
  link.write([new Uint8Array(1 << 20)], () => {});
  loop.sockets.finish(theirs);
  assert(settle(loop) < 10, "the loop has turned without end");
  assert.deepEqual(endings, []);
  // What was written before the peer's end was seen still arrives.
  let received = 0;
  const other = new PollLink("theirs", theirs, loop);
  other.start(
    (bytes) => {
      received += bytes.length;
    },
    () => {},
  );
  settle(loop);
  assert.equal(received, 1 << 20);
  assert.deepEqual(endings, [undefined]);
  other.destroy();
});

test("a link that floods lets others have their turn", onLinux, () => {
  const loop = openPollLoop();
  const [flooded, flooding] = openPair();
  const [quiet, asking] = openPair();
  const link = new PollLink("flooded", flooded, loop);
  const other = new PollLink("quiet", quiet, loop);
  let reads = 0;
  let readsBefore = 0;
  // Each read makes room for the next: it never finds the socket empty.
  const more = (): void => {
    loop.sockets.send(flooding, [new Uint8Array(1 << 20)], 0, 0);
  };
  link.start(
    () => {
      reads++;
      more();
    },
    () => {},
  );
  other.start(
    () => {
      readsBefore = reads;
    },
    () => {},
  );
  more();
  loop.sockets.send(asking, [Uint8Array.of(1)], 0, 0);
  loop.turn(0);
  assert(readsBefore > 0 && readsBefore <= 4, `${readsBefore} reads`);
  link.destroy();
  other.destroy();
  closeSync(flooding);
  closeSync(asking);
});

test("the descriptor is closed once, and not told any more", onLinux, () => {
  const loop = openPollLoop();
  const [ours, theirs] = openPair();
  const link = new PollLink("ours", ours, loop);
  assert.equal(link.descriptor, ours);
  link.start(
    () => {},
    () => {},
  );
  link.destroy();
  assert.equal(link.descriptor, undefined);
  assert.throws(() => readSync(ours, Buffer.alloc(1)), /EBADF/);
  const [again, there] = openPair();
  assert.equal(again, ours, "the system gives the lowest number");
  link.destroy();
  link.end();
  assert.equal(loop.sockets.send(again, [Uint8Array.of(1)], 0, 0), 1);
  for (const fd of [again, there, theirs]) closeSync(fd);
});

test("steady traffic makes no garbage", onLinux, () => {
  const loop = openPollLoop();
  const [ours, theirs] = openPair();
  const question = new PollLink("question", ours, loop);
  const answer = new PollLink("answer", theirs, loop);
  const page = new Uint8Array(4096);
  const chunks = [page.subarray(0, 48), page.subarray(48, 560)];
  const rounds = { played: 0 };
  const written = ignore;
  question.start(
    () => {
      rounds.played++;
      question.write(chunks, written);
    },
    () => {},
  );
  answer.start(
    () => answer.write(chunks, written),
    () => {},
  );
  loop.after(1e9, () => {});
  question.write(chunks, written);
  const play = (count: number): void => {
    const end = rounds.played + count;
    while (rounds.played < end) loop.turn(0);
  };
  const measure = (): { readonly collections: number; readonly used: number } => {
    const profiler = new GCProfiler();
    profiler.start();
    const before = process.memoryUsage().heapUsed;
    play(100_000);
    const used = process.memoryUsage().heapUsed - before;
    return { collections: profiler.stop().statistics.length, used };
  };
  play(50_000);
  // What is left is of the compiler: the smallest object for each round would be 16 bytes. On a busy machine it works on
  // for a while beside us, and what it has not come to makes garbage until then.
  const isSteady = ({ collections, used }: ReturnType<typeof measure>): boolean =>
    collections === 0 && used < 800_000;
  let last = measure();
  for (let i = 0; i < 9 && !isSteady(last); i++) last = measure();
  assert(isSteady(last), `${last.collections} collections, ${last.used} bytes in 100,000 rounds`);
  question.destroy();
  answer.destroy();
});
