import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { annotatedHex } from "../../test/support/annotated-hex.ts";
import { ManualLoop } from "../../test/support/manual-loop.ts";
import type { UsbHost } from "../usb/device.ts";
import { Speed } from "../usb/speed.ts";
import { createUrb, PACKET_WORDS, TransferStatus, TransferType, type Urb, UrbFlag } from "../usb/urb.ts";
import { Zero } from "./zero.ts";

class Host implements UsbHost {
  readonly done: Urb[] = [];
  readonly events: string[] = [];
  onComplete: (urb: Urb) => void = () => {};

  complete(urb: Urb): void {
    this.done.push(urb);
    this.events.push(`${urb.tag}:${urb.status}`);
    this.onComplete(urb);
  }

  unplugged(): void {
    this.events.push("unplugged");
  }
}

const SOURCE_SINK = 3;
const LOOPBACK = 2;

let loop = new ManualLoop();
let host = new Host();
let zero = new Zero();

beforeEach(() => start(Speed.high));

function start(speed: Speed): void {
  loop = new ManualLoop();
  host = new Host();
  zero = new Zero({ speed });
  zero.open(host, loop, () => {});
}

function configure(value: number, alternate = 0): void {
  for (const setup of [
    Uint8Array.of(0, 9, value, 0, 0, 0, 0, 0),
    Uint8Array.of(1, 11, alternate, 0, 0, 0, 0, 0),
  ]) {
    const urb = control(setup);
    zero.submit(urb);
    zero.flush();
    assert.equal(urb.status, TransferStatus.ok);
  }
  host.done.length = 0;
  host.events.length = 0;
}

function control(setup: Uint8Array, length = 0, tag = 99): Urb {
  const urb = createUrb(tag);
  urb.endpoint = setup[0]! & 0x80;
  urb.setup.set(setup);
  urb.length = length;
  urb.buffer = new Uint8Array(length);
  return urb;
}

function bulk(tag: number, endpoint: number, length: number): Urb {
  const urb = createUrb(tag);
  urb.endpoint = endpoint;
  urb.type = TransferType.bulk;
  urb.length = length;
  urb.buffer = new Uint8Array(length);
  return urb;
}

function isochronous(tag: number, endpoint: number, lengths: readonly number[]): Urb {
  const urb = bulk(
    tag,
    endpoint,
    lengths.reduce((sum, length) => sum + length, 0),
  );
  urb.type = TransferType.isochronous;
  urb.packetCount = lengths.length;
  urb.packets = new Int32Array(lengths.length * PACKET_WORDS);
  let offset = 0;
  for (const [i, length] of lengths.entries()) {
    urb.packets.set([offset, length, -1, TransferStatus.notDone], i * PACKET_WORDS);
    offset += length;
  }
  return urb;
}

function status(urb: Urb): TransferStatus {
  zero.submit(urb);
  zero.flush();
  assert(host.done.includes(urb), "completed");
  return urb.status;
}

test("results wait for flush", () => {
  configure(SOURCE_SINK);
  zero.submit(bulk(1, 0x81, 10));
  loop.settle();
  assert.deepEqual(host.events, []);
  zero.flush();
  assert.deepEqual(host.events, ["1:0"]);
});

test("a result that comes without a submit is delivered by the loop", () => {
  configure(SOURCE_SINK, 1);
  zero.submit(isochronous(1, 0x82, [10]));
  zero.flush();
  loop.advance(1);
  assert.deepEqual(host.events, ["1:0"]);
});

test("a host that resubmits while completing leaves the loop its turns", () => {
  configure(SOURCE_SINK);
  let others = 0;
  let nested = 0;
  host.onComplete = (urb) => {
    nested += 1;
    assert.equal(nested, 1, "complete does not recurse");
    zero.submit(urb);
    zero.flush();
    nested -= 1;
  };
  zero.submit(bulk(1, 0x81, 10));
  zero.flush();
  assert.equal(host.events.length, 1);
  for (let i = 0; i < 50; i++) {
    loop.soon(() => {
      others += 1;
    });
    loop.turn();
  }
  assert.equal(others, 50);
  assert.equal(host.events.length, 51);
});

test("what a host submits while it is told of others needs no flush of its own", () => {
  configure(SOURCE_SINK);
  host.onComplete = (urb) => {
    if (urb.tag < 3) zero.submit(bulk(urb.tag + 1, 0x81, 10));
  };
  zero.submit(bulk(1, 0x81, 10));
  zero.flush();
  assert.deepEqual(host.events, ["1:0"]);
  loop.settle();
  assert.deepEqual(host.events, ["1:0", "2:0", "3:0"]);
});

test("what a host submits while the device is closed completes as cancelled before that is done", () => {
  configure(LOOPBACK);
  host.onComplete = (urb) => {
    if (urb.tag < 3) zero.submit(bulk(urb.tag + 1, 0x81, 10));
  };
  zero.submit(bulk(1, 0x81, 10));
  zero.close(() => host.events.push("closed"));
  loop.settle();
  assert.deepEqual(host.events, ["1:2", "2:2", "3:2", "closed"]);
});

test("a URB that was finished keeps its result through cancel, reset and close", () => {
  configure(SOURCE_SINK);
  const urbs = [bulk(1, 0x81, 10), bulk(2, 0x81, 10), bulk(3, 0x81, 10)];
  for (const urb of urbs) zero.submit(urb);
  zero.cancel(urbs[0]!);
  zero.reset(() => host.events.push("reset"));
  zero.close(() => host.events.push("closed"));
  loop.settle();
  assert.deepEqual(host.events, ["1:0", "2:0", "3:0", "reset", "closed"]);
});

test("cancelling keeps what has moved and lets the next URB go on", () => {
  configure(LOOPBACK);
  const [read, write] = [bulk(1, 0x81, 200), bulk(2, 0x01, 100_000)];
  write.buffer.fill(7);
  zero.submit(read);
  zero.submit(write);
  zero.submit(bulk(3, 0x01, 5));
  zero.flush();
  assert.deepEqual(host.events, ["1:0"]);
  zero.cancel(write);
  zero.flush();
  assert.deepEqual(host.events, ["1:0", "2:2"]);
  assert.equal(write.actualLength, 65_536 + 200);
  const rest = bulk(4, 0x81, 100_000);
  assert.equal(status(rest), TransferStatus.ok);
  assert.equal(rest.actualLength, 65_536);
  assert.deepEqual(host.events.toSorted(), ["1:0", "2:2", "3:0", "4:0"]);
  const next = bulk(5, 0x81, 100);
  assert.equal(status(next), TransferStatus.ok);
  assert.equal(next.actualLength, 5);
});

function broken(change: (urb: Urb) => void, urb = bulk(1, 0x81, 8)): TransferStatus {
  change(urb);
  return status(urb);
}

test("what a peer may write into a URB is answered, whatever it is", () => {
  configure(SOURCE_SINK, 1);
  const { stall, invalid } = TransferStatus;
  assert.equal(
    broken((urb) => (urb.endpoint = 0x85)),
    stall,
    "no such endpoint",
  );
  assert.equal(
    broken((urb) => (urb.endpoint = 0xffff)),
    stall,
  );
  assert.equal(
    broken((urb) => (urb.endpoint = -1)),
    stall,
  );
  assert.equal(
    broken((urb) => (urb.endpoint = 0x00)),
    stall,
    "no bulk on endpoint 0",
  );
  assert.equal(
    broken((urb) => (urb.type = TransferType.interrupt)),
    invalid,
  );
  assert.equal(
    broken((urb) => (urb.type = TransferType.isochronous)),
    invalid,
  );
  assert.equal(
    broken((urb) => (urb.length = -1)),
    invalid,
  );
  assert.equal(
    broken((urb) => (urb.length = 9)),
    invalid,
  );
  assert.equal(
    broken((urb) => (urb.length = 0x7fffffff)),
    invalid,
  );
  assert.equal(
    broken((urb) => (urb.offset = -1)),
    invalid,
  );
  assert.equal(
    broken((urb) => (urb.offset = 1)),
    invalid,
  );
  assert.equal(
    broken((urb) => (urb.length = Number.NaN)),
    invalid,
  );
  assert.equal(
    broken((urb) => (urb.packetCount = -1), isochronous(1, 0x82, [8])),
    invalid,
  );
  assert.equal(
    broken((urb) => (urb.packetCount = 2), isochronous(1, 0x82, [8])),
    invalid,
  );
});

test("a control URB whose data stage contradicts its setup packet is invalid", () => {
  const read = annotatedHex("80 06 0001 0000 1200");
  const write = annotatedHex("40 5b 0000 0000 0400");
  const wrong = control(read, 18);
  wrong.endpoint = 0x00;
  assert.equal(status(wrong), TransferStatus.invalid);
  assert.equal(status(control(write, 3)), TransferStatus.invalid, "three bytes of four");
  const elsewhere = control(read, 18);
  elsewhere.endpoint = 0x81;
  assert.equal(status(elsewhere), TransferStatus.invalid);
  assert.equal(status(control(read, 4)), TransferStatus.ok, "less room is fine");
});

test("an isochronous URB without packets completes, in order", () => {
  configure(SOURCE_SINK, 1);
  zero.submit(isochronous(1, 0x82, [10]));
  zero.submit(isochronous(2, 0x82, []));
  zero.flush();
  loop.advance(0.999);
  assert.deepEqual(host.events, []);
  loop.advance(0.001);
  assert.deepEqual(host.events, ["1:0", "2:0"]);
});

test("packets that cannot be carried out fail alone", () => {
  configure(SOURCE_SINK, 1);
  const { ok, invalid } = TransferStatus;
  const read = isochronous(1, 0x82, [100, 100, 100, 100, 100]);
  read.packets.set([-4, 100], 0);
  read.packets.set([401, 100], PACKET_WORDS);
  read.packets.set([0, -1], 2 * PACKET_WORDS);
  read.packets.set([0x7fffffff, 0x7fffffff], 3 * PACKET_WORDS);
  zero.submit(read);
  loop.advance(5);
  assert.deepEqual([read.status, read.errorCount, read.actualLength], [ok, 4, 100]);
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((i) => Array.from(read.packets.subarray(i * PACKET_WORDS + 2, i * PACKET_WORDS + 4))),
    [
      [0, invalid],
      [0, invalid],
      [0, invalid],
      [0, invalid],
      [100, ok],
    ],
  );
});

test("packets that overlap bring no more than the URB has room for", () => {
  configure(SOURCE_SINK, 1);
  const read = isochronous(1, 0x82, [100, 100, 100]);
  read.length = 100;
  for (let i = 0; i < 3; i++) read.packets[i * PACKET_WORDS] = 0;
  zero.submit(read);
  loop.advance(3);
  assert.deepEqual([read.actualLength, read.errorCount], [100, 2]);
});

test("a packet longer than an interval: reads are cut, writes fail", () => {
  configure(SOURCE_SINK, 1);
  const [read, write] = [isochronous(1, 0x82, [1025, 1024]), isochronous(2, 0x02, [1025, 1024])];
  zero.submit(read);
  zero.submit(write);
  loop.advance(2);
  assert.deepEqual([read.actualLength, read.errorCount], [2048, 0]);
  assert.deepEqual([write.actualLength, write.errorCount], [1024, 1]);
});

test("isochronous transfers follow a schedule without drift, which a late one shifts", () => {
  configure(SOURCE_SINK, 1);
  const times: number[] = [];
  host.onComplete = (urb) => {
    times.push(loop.now());
    if (urb.tag < 4) zero.submit(isochronous(urb.tag + 2, 0x82, [1, 1, 1]));
  };
  zero.submit(isochronous(1, 0x82, [1, 1, 1]));
  zero.submit(isochronous(2, 0x82, [1, 1, 1]));
  loop.advance(100);
  assert.deepEqual(times, [3, 6, 9, 12, 15]);
  zero.submit(isochronous(9, 0x82, [1, 1]));
  loop.advance(100);
  assert.equal(times.at(-1), 102);
});

test("microframes are counted from high speed on, at full speed frames", () => {
  for (const [speed, ms] of [
    [Speed.full, 8],
    [Speed.high, 1],
    [Speed.super, 1],
  ] as const) {
    start(speed);
    configure(SOURCE_SINK, 3);
    zero.submit(isochronous(1, 0x02, [1, 1, 1, 1, 1, 1, 1, 1]));
    loop.advance(ms - 0.1);
    assert.deepEqual(host.events, []);
    loop.advance(0.1);
    assert.deepEqual(host.events, ["1:0"]);
  }
});

test("isochronous endpoints share one timer and leave none behind", () => {
  configure(SOURCE_SINK, 1);
  const urbs = [isochronous(1, 0x82, [1, 1]), isochronous(2, 0x02, [1]), isochronous(3, 0x82, [1])];
  for (const urb of urbs) zero.submit(urb);
  assert.equal(loop.timers, 1);
  loop.advance(1);
  assert.deepEqual(host.events, ["2:0"]);
  assert.equal(loop.timers, 1);
  zero.cancel(urbs[0]!);
  zero.cancel(urbs[2]!);
  zero.flush();
  assert.deepEqual(host.events, ["2:0", "1:2", "3:2"]);
  assert.equal(loop.timers, 0);
  zero.submit(isochronous(4, 0x82, [1]));
  zero.close(() => {});
  loop.settle();
  assert.equal(loop.timers, 0);
});

test("a stream that is cancelled and begun anew does not wait for its old intervals", () => {
  configure(SOURCE_SINK, 1);
  const old = Array.from({ length: 5 }, (_, i) => isochronous(i, 0x82, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]));
  for (const urb of old) zero.submit(urb);
  for (const urb of old) zero.cancel(urb);
  zero.submit(isochronous(7, 0x82, [1]));
  zero.flush();
  loop.advance(1);
  assert.equal(host.events.at(-1), "7:0");
});

test("SET_INTERFACE ends what is pending on the old setting as cancelled, before it is answered", () => {
  configure(SOURCE_SINK, 1);
  zero.submit(isochronous(1, 0x82, [1, 1]));
  zero.submit(control(annotatedHex("01 0b 0000 0000 0000"), 0, 2));
  zero.submit(isochronous(3, 0x82, [1]));
  zero.flush();
  assert.deepEqual(host.events, ["1:2", "2:0", "3:1"]);
});

test("a halt stalls what is pending and what follows, the cleared endpoint goes on", () => {
  configure(LOOPBACK);
  zero.submit(bulk(1, 0x81, 5));
  zero.submit(bulk(2, 0x81, 5));
  zero.submit(control(annotatedHex("02 03 0000 8100 0000"), 0, 3));
  zero.submit(bulk(4, 0x81, 5));
  zero.submit(control(annotatedHex("02 01 0000 8100 0000"), 0, 5));
  zero.submit(bulk(6, 0x81, 5));
  zero.submit(bulk(7, 0x01, 5));
  zero.flush();
  assert.deepEqual(host.events.slice(5).toSorted(), ["6:0", "7:0"]);
  assert.deepEqual(host.events.slice(0, 5), ["1:1", "2:1", "3:0", "4:1", "5:0"]);
});

test("shortNotOk turns a short read into an error that keeps its bytes", () => {
  configure(LOOPBACK);
  status(bulk(1, 0x01, 5));
  const read = bulk(2, 0x81, 6);
  read.flags = UrbFlag.shortNotOk;
  assert.equal(status(read), TransferStatus.short);
  assert.equal(read.actualLength, 5);
});

test("unplugging completes everything as disconnected, then tells, and refuses the next open", () => {
  configure(LOOPBACK);
  zero.submit(bulk(1, 0x81, 5));
  zero.flush();
  zero.unplug();
  zero.unplug();
  zero.submit(bulk(2, 0x81, 5));
  loop.settle();
  assert.deepEqual(host.events, ["1:3", "2:3", "unplugged"]);
  assert.equal(status(bulk(3, 0x81, 5)), TransferStatus.disconnected);
  zero.reset((result) => host.events.push(`reset ${result}`));
  zero.close(() => host.events.push("closed"));
  loop.settle();
  assert.deepEqual(host.events.slice(-2), ["reset 3", "closed"]);
  const refusals: (string | undefined)[] = [];
  zero.open(host, loop, (refused) => refusals.push(refused?.reason));
  zero.plug();
  zero.open(host, loop, (refused) => refusals.push(refused?.reason));
  zero.open(host, loop, (refused) => refusals.push(refused?.reason));
  assert.deepEqual(refusals, ["gone", undefined, "busy"]);
  assert.equal(zero.configuration, 0);
});

test("nothing is called after close is done", () => {
  configure(SOURCE_SINK, 1);
  zero.submit(isochronous(1, 0x82, [1]));
  zero.flush();
  zero.close(() => host.events.push("closed"));
  zero.unplug();
  loop.advance(100);
  assert.deepEqual(host.events, ["1:2", "closed"]);
});
