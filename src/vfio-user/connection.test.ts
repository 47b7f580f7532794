import assert from "node:assert/strict";
import { closeSync } from "node:fs";
import { afterEach, beforeEach, test } from "node:test";
import { CopyEngine, RESULT, SCRATCH, START } from "../../test/support/copy-engine.ts";
import { onLinux, openPair } from "../../test/support/poll-loop.ts";
import { bytesOf, GREETING_BYTES, messageOf, writeOf } from "../../test/support/vfio-user-client.ts";
import { StreamSockets, WOULD_BLOCK } from "../linux/stream-socket.ts";
import { SystemError } from "../linux/system-error.ts";
import { Connection, type ConnectionEnd, type DescriptorLoop } from "./connection.ts";
import { DmaTable } from "./dma-table.ts";
import { Command, RegionAccess } from "./messages.ts";
import { MsixVectors } from "./msix-vectors.ts";
import { PciFunction } from "./pci-function.ts";
import { Session } from "./session.ts";

const NO_REPLY = 0x10;
const LOOK_MS = 5;

/** A loop that never finds out by itself what can be read: that takes `wake`. */
class DeafLoop implements DescriptorLoop {
  readonly lookMs: number;
  nowMs = 0;
  /** Each look at the clock takes so long. */
  tickMs = 0;
  readonly #soon: (() => void)[] = [];
  readonly #watched = new Map<string, () => void>();

  constructor(lookMs: number) {
    this.lookMs = lookMs;
  }

  now(): number {
    this.nowMs += this.tickMs;
    return this.nowMs;
  }

  soon(callback: () => void): void {
    this.#soon.push(callback);
  }

  watch(_fd: number, direction: "readable" | "writable", callback: () => void): { cancel(): void } {
    this.#watched.set(direction, callback);
    return { cancel: () => void this.#watched.delete(direction) };
  }

  wake(): void {
    for (const callback of Array.from(this.#watched.values())) callback();
  }

  /** False if nothing was asked for. */
  turn(): boolean {
    const callbacks = this.#soon.splice(0);
    for (const callback of callbacks) callback();
    return callbacks.length > 0;
  }
}

let ours: number;
let theirs: number;
let sockets: StreamSockets;
let loop: DeafLoop;
let connection: Connection;
let ends: ConnectionEnd[];

/** `copyAsked`: what happens when the function has asked the loop to copy. */
function begin(lookMs: number, copyAsked: () => void = () => {}): void {
  loop = new DeafLoop(lookMs);
  const memory = new DmaTable();
  const vectors = new MsixVectors(3);
  const engine = new CopyEngine(memory, vectors, (callback) => {
    loop.soon(callback);
    copyAsked();
  });
  const session = new Session(new PciFunction(engine, memory, vectors));
  const opened = Connection.open(ours, session, loop, (cause) => void ends.push(cause));
  assert(opened instanceof Connection);
  connection = opened;
  send(messageOf(0, Command.VERSION, bytesOf([0, 0, 0, 0], [0x7b, 0x7d, 0])));
  loop.wake();
  assert.equal(answered(), GREETING_BYTES);
}

beforeEach(() => {
  [ours, theirs] = openPair();
  ends = [];
  const opened = StreamSockets.open();
  assert(!(opened instanceof SystemError));
  sockets = opened;
});

afterEach(() => {
  connection.close();
  closeSync(theirs);
});

function send(bytes: Uint8Array): void {
  assert.equal(sockets.send(theirs, [bytes], 0, 0), bytes.length);
}

function read(offset: number): void {
  send(messageOf(1, Command.REGION_READ, RegionAccess.encode({ offset, region: 0, count: 4 })));
}

function write(offset: number, value: number, flags = 0): void {
  send(messageOf(2, Command.REGION_WRITE, writeOf(0, offset, 4, value), flags));
}

/** Bytes of answers that have come. */
function answered(): number {
  const length = sockets.receive(theirs, new Uint8Array(1 << 16));
  assert(typeof length === "number");
  return length === WOULD_BLOCK ? 0 : length;
}

test("without time to look the next request waits until the loop tells of it", onLinux, () => {
  begin(0);
  read(SCRATCH);
  assert.equal(loop.turn(), false);
  assert.equal(answered(), 0);
  loop.wake();
  assert.equal(answered(), 36);
});

test("behind an answer more is looked for, each time anew, and then it sleeps", onLinux, () => {
  begin(LOOK_MS);
  for (let i = 0; i < 20; i++) {
    loop.nowMs += LOOK_MS - 1;
    read(SCRATCH);
    assert.equal(loop.turn(), true);
    assert.equal(answered(), 36);
  }
  loop.nowMs += LOOK_MS;
  loop.turn();
  assert.equal(loop.turn(), false);
  read(SCRATCH);
  assert.equal(loop.turn(), false);
  assert.equal(answered(), 0);
  loop.wake();
  assert.equal(answered(), 36);
});

test("posted writes alone are nothing to look behind of", onLinux, () => {
  begin(LOOK_MS);
  loop.nowMs += LOOK_MS;
  while (loop.turn());
  write(SCRATCH, 1, NO_REPLY);
  loop.wake();
  assert.equal(loop.turn(), false);
});

test("what a write has begun is done before more is looked for", onLinux, () => {
  begin(LOOK_MS, () => read(RESULT));
  write(START, 0);
  loop.turn();
  assert.equal(answered(), 32);
  // The copy, which fails without memory, and then the read.
  loop.turn();
  const reply = new Uint8Array(36);
  assert.equal(sockets.receive(theirs, reply), 36);
  assert.equal(reply[32], 2);
});

test("where the processor is shared with others nothing is looked for during a while", onLinux, () => {
  begin(LOOK_MS);
  loop.tickMs = 1;
  loop.turn();
  loop.tickMs = 0;
  assert.equal(loop.turn(), false);
  for (let i = 0; i < 2; i++) {
    read(SCRATCH);
    loop.wake();
    assert.equal(answered(), 36);
    assert.equal(loop.turn(), false);
  }
  loop.nowMs += 100;
  read(SCRATCH);
  loop.wake();
  assert.equal(answered(), 36);
  read(SCRATCH);
  assert.equal(loop.turn(), true);
  assert.equal(answered(), 36);
});

test(
  "from a client that does not read its answers nothing more is taken, however long it is looked",
  onLinux,
  () => {
    begin(LOOK_MS);
    const request = messageOf(
      1,
      Command.REGION_READ,
      RegionAccess.encode({ offset: 0, region: 0, count: 4096 }),
    );
    let sent = 0;
    for (let turns = 0; turns < 1000 && sockets.send(theirs, [request], 0, 0) !== WOULD_BLOCK; turns++) {
      sent++;
      loop.turn();
    }
    while (loop.turn());
    assert(sent < 1000);
    let bytes = 0;
    for (let rounds = 0; rounds < 10_000 && bytes < sent * (32 + 4096); rounds++) {
      bytes += answered();
      if (!loop.turn()) loop.wake();
    }
    assert.equal(bytes, sent * (32 + 4096));
  },
);

test("a client that goes while it is looked for is told of once", onLinux, () => {
  begin(LOOK_MS);
  sockets.finish(theirs);
  while (loop.turn());
  assert.deepEqual(ends, [undefined]);
});
