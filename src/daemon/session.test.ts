import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualLoop } from "../../test/support/manual-loop.ts";
import { createGadget } from "../gadgets/catalog.ts";
import type { Zero } from "../gadgets/zero.ts";
import type { Link } from "../links/link.ts";
import { memoryPair } from "../links/memory.ts";
import { ExportTable } from "./export-table.ts";
import { Host } from "./host.ts";
import { HOST_LIMITS, type HostLimits } from "./host-limits.ts";

const DEVLIST = Uint8Array.from([0x01, 0x11, 0x80, 0x05, 0, 0, 0, 0]);
const EVENTS = Uint8Array.from([0x01, 0x11, 0x8e, 0x01, 0, 0, 0, 0, 0, 0, 0, 1]);
const IMPORT_REPLY_SIZE = 320;

function importRequest(busid: string): Uint8Array {
  const bytes = Buffer.alloc(40);
  bytes.set([0x01, 0x11, 0x80, 0x03]);
  bytes.write(busid, 8);
  return bytes;
}

interface Line {
  readonly code: string;
  readonly peer?: string;
  readonly busid?: string;
  readonly durationMs?: number;
  readonly count?: number;
  readonly message: string;
}

/** A host with one gadget, on a loop whose time the test moves. */
class Bench {
  readonly loop = new ManualLoop();
  readonly lines: Line[] = [];
  readonly exports = new ExportTable();
  readonly zero = createGadget({ kind: "zero", speed: 3, pattern: 0 }) as Zero;
  readonly host: Host;

  constructor(limits: Partial<HostLimits> = {}) {
    this.exports.add("zero", this.zero);
    const write = (fields: object, message: string) =>
      void this.lines.push({ ...(fields as { code: string }), message });
    this.host = new Host(
      this.exports,
      this.loop,
      { info: write, warn: write },
      { ...HOST_LIMITS, ...limits },
    );
  }

  connect(): Client {
    const [client, accepted] = memoryPair(this.loop);
    this.host.accept(accepted);
    return new Client(client);
  }

  get codes(): readonly string[] {
    return this.lines.map((line) => line.code);
  }

  /** An import that succeeded. */
  attach(): Client {
    const client = this.connect().read();
    client.send(importRequest("zero"));
    this.loop.settle();
    assert.equal(client.received, IMPORT_REPLY_SIZE);
    return client;
  }
}

class Client {
  readonly link: Link;
  received = 0;
  ended = 0;

  constructor(link: Link) {
    this.link = link;
  }

  read(): this {
    this.link.start(
      (bytes) => {
        this.received += bytes.length;
      },
      () => {
        this.ended++;
      },
    );
    return this;
  }

  send(bytes: Uint8Array): void {
    this.link.write([bytes], () => {});
  }
}

test("a peer that says nothing is cut after the time of the handshake", () => {
  const bench = new Bench();
  const client = bench.connect().read();
  bench.loop.advance(9_900);
  assert.equal(client.ended, 0);
  bench.loop.advance(400);
  assert.equal(client.ended, 1);
  const [line, ...more] = bench.lines;
  assert.deepEqual(more, []);
  assert.equal(line?.code, "HANDSHAKE_TIMEOUT");
  assert.equal(line.peer, "memory:left");
  assert(line.durationMs! >= 10_000 && line.durationMs! <= 10_300);
  assert.match(line.message, /^HANDSHAKE_TIMEOUT memory:left after 10(\.\d+)? s: no whole request arrived/);
});

test("half a request does not lengthen the handshake", () => {
  const bench = new Bench();
  const client = bench.connect().read();
  client.send(DEVLIST.subarray(0, 7));
  bench.loop.advance(9_000);
  client.send(importRequest("zero").subarray(0, 1));
  bench.loop.advance(1_300);
  assert.equal(client.ended, 1);
});

test("a peer that was answered may ask again for a second, then is closed as OK", () => {
  const bench = new Bench();
  const client = bench.connect().read();
  client.send(DEVLIST);
  bench.loop.advance(900);
  assert(client.received > 12);
  client.send(DEVLIST);
  bench.loop.advance(900);
  assert.equal(client.ended, 0);
  bench.loop.advance(500);
  assert.equal(client.ended, 1);
  assert.deepEqual(bench.codes, ["OK"]);
});

test("a peer that lists again and again holds its place no longer than a silent one", () => {
  const bench = new Bench();
  const client = bench.connect().read();
  for (let ms = 0; ms < 12_000; ms += 500) {
    client.send(DEVLIST);
    bench.loop.advance(500);
  }
  assert.equal(client.ended, 1);
  assert.deepEqual(bench.codes, ["OK"]);
});

test("a peer that closes before it asked is DISCONNECTED", () => {
  const bench = new Bench();
  bench.connect().read().link.end();
  bench.loop.settle();
  assert.deepEqual(bench.codes, ["DISCONNECTED"]);
});

test("an imported device is marked, kept without a time limit, and free again when the peer closes", () => {
  const bench = new Bench();
  const client = bench.attach();
  assert.equal(bench.exports.find("zero")!.attached, true);
  bench.loop.advance(3_600_000);
  assert.equal(client.ended, 0);
  client.link.end();
  bench.loop.advance(10);
  assert.equal(bench.exports.find("zero")!.attached, false);
  assert.deepEqual(bench.codes, ["IMPORTED", "OK"]);
  assert.equal(bench.lines[1]!.busid, "zero");
  assert.match(bench.lines[1]!.message, /^OK memory:left with zero after 3600(\.\d+)? s: the peer closed/);
  bench.attach();
});

test("a device that another session has is refused, and that session goes on", () => {
  const bench = new Bench();
  const first = bench.attach();
  const second = bench.connect().read();
  second.send(importRequest("zero"));
  bench.loop.settle();
  assert.equal(second.received, 8, "op_common with the status busy");
  bench.loop.advance(2_000);
  assert.deepEqual([first.ended, second.ended], [0, 1]);
});

test("a broken link is LINK_LOST with the cause", () => {
  const bench = new Bench();
  bench.attach().link.destroy();
  bench.loop.advance(10);
  assert.deepEqual(bench.codes, ["IMPORTED", "LINK_LOST"]);
  assert.match(bench.lines[1]!.message, /the peer cut the connection/);
  assert.equal(bench.exports.find("zero")!.attached, false);
});

test("nonsense ends the session with the code of the protocol error, and no other", () => {
  const bench = new Bench();
  const other = bench.attach();
  const client = bench.connect().read();
  client.send(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
  bench.loop.advance(100);
  assert.deepEqual([client.ended, other.ended], [1, 0]);
  assert.deepEqual(bench.codes, ["IMPORTED", "BAD_VERSION"]);
});

test("a host whose guests are idle looks at no clock, and still notices one that reads nothing later", () => {
  const bench = new Bench();
  const client = bench.attach();
  bench.loop.advance(1_000);
  assert.equal(bench.loop.timers, 0);
  bench.loop.advance(3_600_000);
  const [silent, accepted] = memoryPair(bench.loop);
  bench.host.accept(accepted);
  silent.write([DEVLIST], () => {});
  bench.loop.advance(7_900);
  assert.deepEqual(bench.codes, ["IMPORTED"]);
  bench.loop.advance(1_500);
  assert.deepEqual(bench.codes, ["IMPORTED", "PEER_NOT_READING"]);
  bench.loop.advance(1_000);
  assert.deepEqual([client.ended, bench.loop.timers], [0, 0]);
});

test("a peer that reads nothing of its answer is cut, once", () => {
  const bench = new Bench();
  const client = bench.connect();
  client.send(DEVLIST);
  bench.loop.advance(7_900);
  assert.deepEqual(bench.codes, []);
  bench.loop.advance(1_500);
  assert.deepEqual(bench.codes, ["PEER_NOT_READING"]);
  assert.match(bench.lines[0]!.message, /bytes wait, and the peer has taken none for 8 s/);
});

test("an unplugged device ends its session as UNPLUGGED", () => {
  const bench = new Bench();
  const client = bench.attach();
  bench.zero.unplug();
  bench.loop.advance(2_000);
  assert.equal(client.ended, 1);
  assert.deepEqual(bench.codes, ["IMPORTED", "UNPLUGGED"]);
  assert.equal(bench.exports.find("zero")!.attached, false);
});

test("stopping says goodbye to every peer and gives every device back", async () => {
  const bench = new Bench();
  const clients = [bench.attach(), bench.connect().read()];
  const stopped = bench.host.stop();
  bench.loop.advance(10);
  await stopped;
  assert.deepEqual(
    clients.map((client) => client.ended),
    [1, 1],
  );
  assert.deepEqual(bench.codes, ["IMPORTED", "STOPPED", "STOPPED"]);
  assert.equal(bench.exports.find("zero")!.attached, false);
});

test("stopping does not wait for a peer that does not read", async () => {
  const bench = new Bench();
  bench.connect().send(DEVLIST);
  bench.loop.settle();
  const stopped = bench.host.stop();
  bench.loop.advance(1_000);
  assert.deepEqual(bench.codes, []);
  bench.loop.advance(1_100);
  await stopped;
  assert.deepEqual(bench.codes, ["STOPPED"]);
});

test("stopping waits as long as it is told to", async () => {
  const bench = new Bench();
  bench.connect().send(DEVLIST);
  bench.loop.settle();
  const stopped = bench.host.stop(60_000);
  // Short of the time in which a peer that reads nothing is cut.
  bench.loop.advance(7_000);
  assert.deepEqual(bench.codes, []);
  bench.loop.advance(2_000);
  await stopped;
  const other = new Bench();
  other.connect().send(DEVLIST);
  other.loop.settle();
  const atOnce = other.host.stop(0);
  other.loop.advance(10);
  await atOnce;
  assert.deepEqual(other.codes, ["STOPPED"]);
});

test("connections without a device are limited; the next comes in when one has gone", () => {
  const bench = new Bench({ withoutDevice: 3 });
  bench.attach();
  const clients = Array.from({ length: 3 }, () => bench.connect().read());
  const fourth = bench.connect().read();
  bench.loop.settle();
  assert.equal(fourth.ended, 1);
  assert.deepEqual(bench.codes, ["IMPORTED", "TOO_MANY_CONNECTIONS"]);
  clients[0]!.link.end();
  bench.loop.settle();
  const fifth = bench.connect().read();
  fifth.send(DEVLIST);
  bench.loop.settle();
  assert(fifth.received > 0);
});

test("a flood of connections leaves one line a second, and every one of them is counted", () => {
  const bench = new Bench({ connections: 2 });
  bench.connect().read();
  bench.connect().read();
  for (let second = 0; second < 5; second++) {
    for (let i = 0; i < 1_000; i++) bench.connect().read();
    bench.loop.advance(1_000);
  }
  bench.loop.advance(2_000);
  const refusals = bench.lines.filter((line) => line.code === "TOO_MANY_CONNECTIONS");
  assert(refusals.length >= 5 && refusals.length <= 8, `${refusals.length} lines`);
  assert.equal(
    refusals.reduce((sum, line) => sum + line.count!, 0),
    5_000,
  );
  assert.match(
    refusals[1]!.message,
    /^TOO_MANY_CONNECTIONS: \d+ closed at once, because 2 connections are open/,
  );
});

test("a session that has its device and nothing to send is not looked at, until it has", () => {
  const bench = new Bench();
  const client = bench.attach();
  bench.loop.advance(500);
  assert.equal(bench.loop.timers, 0);
  bench.loop.advance(60_000);
  bench.zero.unplug();
  bench.loop.advance(2_000);
  assert.equal(client.ended, 1);
});

test("a peer of events is kept, and cut 8 s after it has stopped reading", () => {
  const bench = new Bench();
  const client = bench.connect();
  client.send(EVENTS);
  const reading = bench.connect().read();
  reading.send(EVENTS);
  bench.loop.advance(7_000);
  assert.equal(client.ended, 0);
  bench.loop.advance(1_500);
  assert.deepEqual(bench.codes, ["PEER_NOT_READING"]);
  bench.loop.advance(50_000);
  assert.equal(reading.ended, 0);
  assert.equal(bench.loop.timers, 1, "for the next sign of life");
});

test("a quiet host has no timer running", () => {
  const bench = new Bench();
  bench.connect().read().link.end();
  bench.loop.advance(1_000);
  assert.equal(bench.loop.timers, 0);
});
