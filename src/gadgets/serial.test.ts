import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex, toHex } from "../../test/support/annotated-hex.ts";
import { BulkHost } from "../../test/support/bulk-host.ts";
import type { ByteStream, ByteStreamEvents } from "./byte-stream.ts";
import { Serial } from "./serial.ts";

const OPEN = "21 22 0100 0000 0000";
const CLOSE = "21 22 0000 0000 0000";

/** A stream whose other end is the test. */
class HandStream implements ByteStream {
  readonly calls: string[] = [];
  events: ByteStreamEvents | undefined;
  taken: (() => void) | undefined;

  open(events: ByteStreamEvents): void {
    this.calls.push("open");
    this.events = events;
  }

  write(bytes: Uint8Array, taken: () => void): void {
    this.calls.push(`write ${toHex(bytes.subarray(0, 8))}${bytes.length > 8 ? ` of ${bytes.length}` : ""}`);
    this.taken = taken;
  }

  resume(): void {
    this.calls.push("resume");
  }

  close(): void {
    this.calls.push("close");
  }
}

function attach() {
  const stream = new HandStream();
  return { stream, host: new BulkHost(new Serial({ stream })) };
}

test("the descriptors at high speed", () => {
  const wire = annotatedHex(`
    12 01 0002 02 00 00 40 0912 0100 0001 01 02 00 01  device: communications
    09 02 4300 02 01 00 c0 01   configuration
    09 04 00 00 01 02 02 01 00  abstract control model
    05 24 00 1001               CDC 1.10
    05 24 01 00 01              no call management
    04 24 02 06                 line coding, serial state, break
    05 24 06 00 01              union
    07 05 83 03 1000 07         interrupt IN, 8 ms
    09 04 01 00 02 0a 00 00 00  data
    07 05 81 02 0002 00         bulk IN
    07 05 02 02 0002 00         bulk OUT`);
  assert.equal(toHex(new Serial().descriptors), toHex(wire));
});

test("the line coding is kept, and told", () => {
  const told: unknown[] = [];
  const host = new BulkHost(new Serial({ onLineCoding: (coding) => told.push(coding) }));
  assert.equal(host.control("a1 21 0000 0000 0700"), "00c20100000008");
  assert.equal(host.control("21 20 0000 0000 0700", "80250000 02 02 07"), "");
  assert.equal(host.control("a1 21 0000 0000 0700"), "80250000020207");
  assert.deepEqual(told, [{ baud: 9600, stopBits: 2, parity: "even", dataBits: 7 }]);
  for (const coding of ["80250000 03 00 08", "80250000 00 05 08", "80250000 00 00 09"]) {
    assert.equal(host.control("21 20 0000 0000 0700", coding), "stall");
  }
  assert.equal(host.control("a1 21 0000 0100 0700"), "stall", "the data interface has none");
});

test("a break is told", () => {
  const breaks: number[] = [];
  const host = new BulkHost(new Serial({ onBreak: (durationMs) => breaks.push(durationMs) }));
  assert.equal(host.control("21 23 ffff 0000 0000"), "");
  assert.deepEqual(breaks, [0xffff]);
});

test("the stream is open while DTR is on, and the guest is told of its carrier", () => {
  const { host, stream } = attach();
  const state = host.urb(0x83, new Uint8Array(16), 3);
  assert(host.isPending(state));
  host.control(OPEN);
  host.control(OPEN);
  assert.equal(toHex(state.buffer.subarray(0, state.actualLength)), "a1200000000002000300");
  stream.events!.ended();
  assert.equal(host.in(16, 0x83, 3), "a1200000000002000000");
  host.control(CLOSE);
  assert.deepEqual(stream.calls, ["open", "close"]);
});

test("a guest that sends without DTR opens the stream too", () => {
  const { host, stream } = attach();
  assert.equal(host.out("01 02"), "ok");
  assert.deepEqual(stream.calls, ["open", "write 0102"]);
});

test("what the stream does not take holds back the guest, byte for byte", () => {
  const { host, stream } = attach();
  const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i >> 8);
  const large = host.urb(0x02, bytes);
  const next = host.urb(0x02, Uint8Array.of(0xaa));
  assert(host.isPending(large));
  stream.taken!();
  host.loop.settle();
  assert(!host.isPending(large), "all of it is with the stream");
  assert(host.isPending(next));
  stream.taken!();
  host.loop.settle();
  assert(!host.isPending(next));
  assert.deepEqual(stream.calls.slice(1), [
    "write 0000000000000000 of 65536",
    "write 0000000000000000 of 34464",
    "write aa",
  ]);
});

test("what the guest does not read holds back the stream, and arrives whole", () => {
  const { host, stream } = attach();
  host.control(OPEN);
  assert.equal(stream.events!.receive(new Uint8Array(40_000).fill(1)), true);
  assert.equal(stream.events!.receive(new Uint8Array(40_000).fill(2)), false);
  assert.equal(host.in(20_000), "01".repeat(20_000));
  assert.deepEqual(stream.calls, ["open", "resume"]);
  assert.equal(host.in(512), "01".repeat(512));
  assert.equal(host.in(100_000), "01".repeat(19_488) + "02".repeat(40_000));
});

test("a port closed while the stream is busy closes behind what was sent", () => {
  const { host, stream } = attach();
  host.control(OPEN);
  host.out("01");
  host.control(CLOSE);
  assert.deepEqual(stream.calls, ["open", "write 01"]);
  stream.taken!();
  assert.deepEqual(stream.calls.slice(2), ["close"]);
});

test("bytes of a port that was closed do not come up in the next opening", () => {
  const { host, stream } = attach();
  host.control(OPEN);
  const before = stream.events!;
  before.receive(Uint8Array.of(1));
  host.control(CLOSE);
  host.control(OPEN);
  before.receive(Uint8Array.of(2));
  stream.events!.receive(Uint8Array.of(3));
  assert.equal(host.in(512), "03");
});

test("an echo returns everything, more than it can hold at a time", () => {
  const host = new BulkHost(new Serial());
  const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251);
  const sent = host.urb(0x02, bytes);
  let received = "";
  while (host.isPending(sent) || received.length < 600_000) received += host.in(16_384);
  assert.equal(received, toHex(bytes));
});
