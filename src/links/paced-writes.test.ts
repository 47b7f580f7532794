import assert from "node:assert/strict";
import { test } from "node:test";
import { onLinux, openPair } from "../../test/support/poll-loop.ts";
import { PumpedLoop } from "../../test/support/pumped-loop.ts";
import { libc } from "../linux/libc.ts";
import { StreamSockets } from "../linux/stream-socket.ts";
import { SystemError } from "../linux/system-error.ts";
import type { Link } from "./link.ts";
import { MovableLink } from "./movable-link.ts";
import { PollLink } from "./poll-link.ts";
import { adopt } from "./stream-handle.ts";

const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const WRITE_BYTES = 1_000;
const CHUNKS = [10, 3_000, 0, 990, 10, 1, 2_500].map((length, i) => Buffer.alloc(length, i + 1));

/** Two sockets between which each write stays a record of its own. */
function recordPair(): readonly [number, number] {
  const c = libc();
  assert(!(c instanceof SystemError));
  const fds = new Int32Array(2);
  assert.equal(c.socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
  return [fds[0]!, fds[1]!];
}

/** The sizes of the writes that arrive, of each of which is a record, until all bytes are there. */
async function writesOf(
  fd: number,
  expected: Buffer,
): Promise<{ readonly bytes: Buffer; readonly sizes: readonly number[] }> {
  const sockets = StreamSockets.open();
  assert(sockets instanceof StreamSockets);
  const sizes: number[] = [];
  let bytes = Buffer.alloc(0);
  const record = Buffer.alloc(65_536);
  const endMs = performance.now() + 5_000;
  while (bytes.length < expected.length) {
    assert(performance.now() < endMs, `${bytes.length} of ${expected.length} bytes came`);
    const length = sockets.receive(fd, record);
    assert(typeof length === "number");
    // oxlint-disable-next-line no-await-in-loop -- the other side has its turn
    if (length < 0) await new Promise((resolve) => setTimeout(resolve, 1));
    else {
      sizes.push(length);
      bytes = Buffer.concat([bytes, record.subarray(0, length)]);
    }
  }
  sockets.close(fd);
  return { bytes, sizes };
}

async function judge(link: Link, theirs: number): Promise<void> {
  let written = 0;
  link.start(
    () => {},
    () => {},
  );
  for (let round = 0; round < 20; round++) link.write(CHUNKS, () => void written++);
  const expected = Buffer.concat(Array.from({ length: 20 }, () => Buffer.concat(CHUNKS)));
  const { bytes, sizes } = await writesOf(theirs, expected);
  assert(bytes.equals(expected));
  assert(Math.max(...sizes) <= WRITE_BYTES, `a write of ${Math.max(...sizes)} bytes`);
  assert.deepEqual(sizes.slice(0, 3), [1_000, 1_000, 1_000], "as much as may be");
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(written, 20);
  link.destroy();
}

test("no write is longer than its link allows", onLinux, async () => {
  const [ours, theirs] = recordPair();
  const link = new MovableLink("records", (onread) => adopt(ours, onread), { writeBytes: WRITE_BYTES });
  await judge(link, theirs);
});

test("no write is longer than its link allows, where it polls", onLinux, async () => {
  const [ours, theirs] = recordPair();
  const pumped = new PumpedLoop();
  await judge(new PollLink("records", ours, pumped.loop, WRITE_BYTES), theirs);
  setTimeout(() => pumped.close(), 50);
});

test("what was written leaves before the end, also when the peer has ended", onLinux, async () => {
  const [ours, theirs] = openPair();
  const here = new MovableLink("here", (onread) => adopt(ours, onread), { writeBytes: WRITE_BYTES });
  const there = new MovableLink("there", (onread) => adopt(theirs, onread), { writeBytes: WRITE_BYTES });
  let received = 0;
  const ended = new Promise<unknown>((resolve) => {
    there.start((bytes) => {
      received += bytes.length;
    }, resolve);
  });
  here.start(
    () => {},
    () => {},
  );
  here.write([Buffer.alloc(1 << 20)], () => {});
  there.end();
  assert.equal(await ended, undefined);
  assert.equal(received, 1 << 20);
});
