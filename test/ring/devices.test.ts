import assert from "node:assert/strict";
import { test } from "node:test";
import { Zero } from "../../src/gadgets/zero.ts";
import type { HostFigures } from "../../src/ring/guest-session.ts";
import { Speed } from "../../src/usb/speed.ts";
import { createUrb, TransferStatus, TransferType, type Urb } from "../../src/usb/urb.ts";
import { UrbTrace } from "../../src/usb/urb-trace.ts";
import { HeldDevice } from "../support/held-device.ts";
import { LoopbackSink } from "../support/loopback-sink.ts";
import { ManualLoop } from "../support/manual-loop.ts";
import { RingPair, type RingPairOptions } from "../support/ring-pair.ts";
import { RingVisitor } from "../support/ring-visitor.ts";
import { completion } from "../support/ring-wire.ts";

const { ok, noMemory, disconnected, invalid } = TransferStatus;

function started(options: RingPairOptions = {}): { loop: ManualLoop; pair: RingPair } {
  const loop = new ManualLoop();
  const pair = new RingPair(loop, options);
  pair.start();
  return { loop, pair };
}

function bulk(endpoint: number, length: number): Urb {
  const urb = createUrb(0);
  urb.type = TransferType.bulk;
  urb.endpoint = endpoint;
  urb.length = length;
  urb.buffer = new Uint8Array(length);
  return urb;
}

test("many devices share a ring, each with its own descriptors, speed and configuration", () => {
  const { pair } = started();
  const speeds = [Speed.full, Speed.high, Speed.super] as const;
  const zeros = speeds.map((speed) => new Zero({ speed }));
  for (const zero of zeros) {
    const device = pair.attach(zero);
    assert.deepEqual([device.speed, device.configuration], [zero.speed, 0]);
    assert.deepEqual(device.descriptors, zero.descriptors);
  }
  assert.deepEqual(
    pair.devices.map(({ id }) => id),
    [1, 2, 3],
  );
  assert.equal(pair.attach(new HeldDevice()).configuration, 1);
});

test("a guest has 32 devices at most; one more is refused in words", () => {
  const { pair } = started();
  for (let i = 0; i < 32; i++) pair.attach(new HeldDevice());
  const extra = new HeldDevice();
  pair.host.share(pair.shareOf(extra));
  pair.settle();
  assert.equal(pair.devices.length, 32);
  assert.equal(pair.shareEvents.at(-1), "the guest has as many devices as there can be");
  assert.deepEqual([extra.opened, extra.closed], [1, 1]);
});

test("a device that cannot be opened is refused, and not shared any more", () => {
  const { pair } = started();
  const device = new HeldDevice();
  device.refusal = { reason: "busy", message: "it is in use" };
  pair.host.share(pair.shareOf(device));
  pair.settle();
  assert.deepEqual([pair.shareEvents, pair.devices.length], [["it is in use"], 0]);
});

test("a device that is withdrawn ends its URBs as disconnected, and its id is free when the guest knows", () => {
  const { loop, pair } = started();
  const device = new HeldDevice();
  const share = pair.shareOf(device);
  pair.host.share(share);
  pair.settle();
  const sink = new LoopbackSink(pair.devices[0]!, loop);
  sink.flush();
  pair.settle();
  let done = false;
  pair.host.withdraw(share, () => {
    done = true;
  });
  pair.settle();
  assert.deepEqual([done, sink.unplugs, sink.statuses.get(disconnected), device.closed], [true, 1, 1, 1]);
  assert.deepEqual([pair.removed, pair.shareEvents], [[[1, 0]], ["attached", "withdrawn"]]);
  assert.equal(pair.attach(new HeldDevice()).id, 1);
});

test("a guest that has not acknowledged a removal does not get another device under that id", () => {
  const device = new HeldDevice();
  const visitor = new RingVisitor([device]);
  visitor.greet();
  device.unplug();
  const [removed] = visitor.exchange();
  assert.deepEqual([removed?.type, removed?.device, removed?.bytes.readUInt32LE(0x24)], [4, 1, 1]);
  visitor.submit(5);
  assert.deepEqual(visitor.exchange().map(completion), [[5, -100, 0]], "it is told that the device is gone");
  visitor.pair.host.share(visitor.pair.shareOf(new HeldDevice()));
  assert.equal(visitor.exchange()[0]?.device, 2);
  const ack = Buffer.alloc(16);
  ack.writeUInt32LE(1, 0);
  visitor.wire.send(6, 0, 1, ack);
  visitor.exchange();
  visitor.pair.host.share(visitor.pair.shareOf(new HeldDevice()));
  assert.equal(visitor.exchange()[0]?.device, 1);
});

test("a URB is traced when it is answered, with the times of its life, and not when it ends with its session", () => {
  const urbs = new UrbTrace();
  const device = new HeldDevice();
  const visitor = new RingVisitor();
  visitor.pair.host.share(visitor.pair.shareOf(device, false, { urbs, session: 9 }));
  visitor.greet();
  visitor.loop.advance(5);
  visitor.submit(7);
  visitor.submit(8);
  visitor.exchange();
  visitor.loop.advance(2);
  device.finish(device.held[0]!, TransferStatus.stall, new Uint8Array(3));
  assert.deepEqual(visitor.exchange().map(completion), [[7, -2, 3]]);
  const urb = { session: 9, seqnum: 7, endpoint: 0x81, status: TransferStatus.stall, actualLength: 3 };
  const life = { ...urb, arrivedMs: 5, completedMs: 7, leftMs: 7 };
  assert.deepEqual(urbs.read(), [life]);
  visitor.greet(2);
  assert.deepEqual([device.held.length, urbs.read()], [0, [life]]);
});

test("a guest gives a device back, and it is free", () => {
  const { pair } = started();
  const device = new HeldDevice();
  const imported = pair.attach(device);
  let released = false;
  imported.release(() => {
    released = true;
  });
  pair.settle();
  assert.deepEqual([released, imported.isGone, device.closed], [true, true, 1]);
  assert.deepEqual([pair.removed, pair.shareEvents], [[[1, 4]], ["attached", "released"]]);
});

test("a reset that the host does not answer ends as a timeout, and a late answer is dropped", () => {
  const { loop, pair } = started();
  const device = new HeldDevice();
  const imported = pair.attach(device);
  imported.open({ complete: () => {}, unplugged: () => {} }, loop, () => {});
  const results: TransferStatus[] = [];
  imported.reset((status) => results.push(status));
  pair.settle();
  loop.advance(5000);
  assert.deepEqual(results, [TransferStatus.timeout]);
  device.resets.shift()!(ok);
  pair.settle();
  assert.deepEqual([results.length, pair.guestEnds], [1, []]);
});

test("a transfer that is larger than a slot has a run of them, and OUT data are a copy of what the guest has", () => {
  const { loop, pair } = started();
  const device = new HeldDevice();
  const imported = pair.attach(device);
  const ended: Urb[] = [];
  imported.open({ complete: (urb) => ended.push(urb), unplugged: () => {} }, loop, () => {});
  const write = bulk(0x01, 100_000);
  for (let i = 0; i < write.length; i++) write.buffer[i] = i * 7;
  imported.submit(write);
  const read = bulk(0x81, 50_000);
  imported.submit(read);
  imported.flush();
  pair.settle();
  assert.equal(pair.guest.usedSlots, 25 + 13);
  const held = device.held[0]!;
  assert.notEqual(
    held.buffer.buffer,
    pair.memory.bytes.buffer,
    "the guest cannot change what the device reads",
  );
  assert.equal(Buffer.compare(device.payloads[0]!, write.buffer), 0);
  assert.equal(
    device.held[1]!.buffer.buffer,
    pair.memory.bytes.buffer,
    "IN data are written where the guest has them",
  );
  device.finish(held);
  device.finish(device.held[0]!, ok, new Uint8Array(40_000).fill(9));
  pair.settle();
  assert.deepEqual([ended.length, read.actualLength, pair.guest.usedSlots], [2, 40_000, 0]);
  assert.equal(
    read.buffer.subarray(0, 40_000).every((byte) => byte === 9),
    true,
  );
  assert.equal(
    read.buffer.subarray(40_000).every((byte) => byte === 0),
    true,
  );
});

test("a device that hands data on unread gets OUT data where the guest has them", () => {
  const { loop, pair } = started();
  const device = new HeldDevice();
  const imported = pair.attach(device, true);
  imported.open({ complete: () => {}, unplugged: () => {} }, loop, () => {});
  imported.submit(bulk(0x01, 1000));
  imported.flush();
  pair.settle();
  assert.equal(device.held[0]!.buffer.buffer, pair.memory.bytes.buffer);
});

test("what does not fit into the slots of a device, or into a transfer, is refused, and leaves room for others", () => {
  const { loop, pair } = started({ limits: { slotsPercent: 50 } });
  const first = pair.attach(new HeldDevice());
  const second = pair.attach(new HeldDevice());
  const results: [number, TransferStatus][] = [];
  const host = { complete: (urb: Urb) => results.push([urb.tag, urb.status]), unplugged: () => {} };
  for (const device of [first, second]) device.open(host, loop, () => {});
  const most = Math.floor(pair.layout.slotCount / 2) * pair.layout.slotSize;
  const submit = (device: typeof first, tag: number, length: number): void => {
    const urb = bulk(0x81, length);
    urb.tag = tag;
    device.submit(urb);
    device.flush();
    pair.settle();
  };
  submit(first, 1, (16 << 20) + 1);
  submit(first, 2, most + 1);
  submit(first, 3, most);
  submit(first, 4, 97);
  submit(first, 5, 96);
  submit(second, 6, most);
  assert.deepEqual(results, [
    [1, invalid],
    [2, noMemory],
    [4, noMemory],
  ]);
});

test("statistics are fed: of a device, and of all", () => {
  const { loop, pair } = started();
  const zero = pair.attach(new Zero({ speed: Speed.high }));
  const held = pair.attach(new HeldDevice());
  const sink = new LoopbackSink(zero, loop);
  sink.flush();
  pair.settle();
  for (let i = 0; i < 6; i++) sink.pair();
  sink.flush();
  pair.settle();
  assert.equal(sink.checked, 6);
  const ask = (device: typeof zero | undefined): HostFigures => {
    let answer: HostFigures | undefined;
    pair.guest.askStats(device, (figures) => {
      answer = figures;
    });
    pair.settle();
    assert(answer !== undefined);
    return answer;
  };
  const bytes = 1 + 96 + 97 + 512 + 4097 + 9000;
  const ofZero = ask(zero);
  assert.deepEqual(
    [
      ofZero.device_id,
      ofZero.urbs_submitted,
      ofZero.urbs_completed,
      ofZero.urbs_failed,
      ofZero.urbs_cancelled,
    ],
    [1, 13, 13, 0, 0],
  );
  assert.deepEqual([ofZero.bytes_out, ofZero.bytes_in, ofZero.inline_submits], [bytes, bytes, 4]);
  assert.deepEqual([ofZero.p50_us, ofZero.p99_us], [1, 1], "nothing takes time on this loop");
  held.open({ complete: () => {}, unplugged: () => {} }, loop, () => {});
  const nonsense = bulk(0x8f, 8);
  held.submit(nonsense);
  held.submit(bulk(0x81, 8 << 12));
  held.flush();
  pair.settle();
  loop.advance(2000);
  const all = ask(undefined);
  assert.deepEqual([all.device_id, all.urbs_submitted, all.urbs_completed, all.urbs_failed], [0, 15, 13, 1]);
  assert(all.batch_submits > 0);
  assert.equal(
    all.buffer_percent,
    Math.round((100 * 8) / pair.layout.slotCount),
    "as the last heartbeat told",
  );
});

test("both sides tell that they live: in their lines once a second, and by message", () => {
  const visitor = new RingVisitor([new HeldDevice()]);
  visitor.greet();
  const beat = () => visitor.wire.word(0x40);
  const before = beat();
  visitor.advance(1000);
  assert.notEqual(beat(), before);
  assert.equal(visitor.wire.word(0x48), 2, "host_state RUNNING");
  assert.deepEqual(
    visitor.exchange().map(({ type }) => type),
    [20],
  );
});
