import assert from "node:assert/strict";
import { test } from "node:test";
import { Zero } from "../../src/gadgets/zero.ts";
import { Speed } from "../../src/usb/speed.ts";
import { createUrb, TransferStatus, TransferType } from "../../src/usb/urb.ts";
import { Random } from "../fuzz/random.ts";
import { HeldDevice } from "../support/held-device.ts";
import { LoopbackSink } from "../support/loopback-sink.ts";
import { ManualLoop } from "../support/manual-loop.ts";
import { RingPair } from "../support/ring-pair.ts";
import { RingVisitor } from "../support/ring-visitor.ts";
import { RingWire } from "../support/ring-wire.ts";

const { disconnected, cancelled } = TransferStatus;

/** Either side dies in the middle of anything and comes back; the other one lives on. */
function mortalLives(
  seed: number,
  lives: number,
): { checked: number; deaths: { guest: number; host: number } } {
  const numbers = new Random(seed);
  const random = (below: number): number => numbers.below(below);
  // What is dead does nothing more: its loop stands still.
  const loops = { host: new ManualLoop(), guest: new ManualLoop() };
  const pair = new RingPair(loops.host, { total: 4 << 20, slotSize: 4 << 10 });
  pair.isManual = true;
  const liveAsHost = (): void => {
    loops.host = new ManualLoop();
    pair.host = pair.newHost(loops.host);
    pair.host.share(pair.shareOf(new Zero({ speed: Speed.high })));
    pair.host.start();
  };
  const liveAsGuest = (): void => {
    loops.guest = new ManualLoop();
    pair.devices.length = 0;
    pair.guest = pair.newGuest(loops.guest);
    pair.guest.start();
  };
  liveAsHost();
  liveAsGuest();
  let sink: LoopbackSink | undefined;
  let checked = 0;
  const deaths = { guest: 0, host: 0 };
  const step = (): void => {
    const what = random(6);
    if (what < 2) pair.host.poll();
    else if (what < 4) pair.guest.poll();
    else if (what === 4) (random(2) === 0 ? loops.host : loops.guest).turn();
    else if (random(10) === 0) for (const loop of [loops.host, loops.guest]) loop.advance(random(300));
    const device = pair.devices[0];
    if (device !== undefined && sink?.device !== device) {
      if (sink !== undefined) checked += sink.checked;
      sink = new LoopbackSink(device, loops.guest);
    }
    if (sink !== undefined && sink.inFlight < 60 && random(2) === 0) sink.pair();
    if (random(3) === 0) sink?.flush();
  };
  for (let life = 0; life < lives; life++) {
    for (let steps = random(400); steps > 0; steps--) step();
    if (random(2) === 0) {
      deaths.guest++;
      // Nobody is told: its URBs die with it.
      if (sink !== undefined) checked += sink.checked;
      sink = undefined;
      liveAsGuest();
    } else {
      deaths.host++;
      liveAsHost();
    }
  }
  // The last ones live, and everything is carried out.
  const isIdle = () => pair.devices.length === 1 && sink?.device === pair.devices[0] && sink!.inFlight === 0;
  for (let steps = 0; steps < 3000; steps++) step();
  for (let steps = 0; steps < 20_000 && !isIdle(); steps++) {
    pair.host.poll();
    pair.guest.poll();
    for (const loop of [loops.host, loops.guest]) loop.advance(1);
    sink?.flush();
  }
  assert(isIdle(), "the last session works");
  assert.deepEqual([pair.guest.usedSlots, pair.guest.pendingUrbs], [0, 0], "no slot is lost");
  assert.deepEqual(
    [...pair.hostEnds, ...pair.guestEnds].filter((end) => end !== ""),
    [],
    "a death is no broken protocol",
  );
  return { checked: checked + sink!.checked, deaths };
}

for (const seed of [1, 2, 3]) {
  test(`either side dies at random moments and returns: no byte is wrong, no slot lost (seed ${seed})`, () => {
    const { checked, deaths } = mortalLives(seed, 50);
    assert(checked > 300, `${checked} reads were checked`);
    assert(deaths.guest > 10 && deaths.host > 10);
  });
}

/** Needs its time to let go. */
class SlowDevice extends HeldDevice {
  readonly closings: (() => void)[] = [];

  override close(done: () => void): void {
    this.closings.push(() => super.close(done));
  }
}

test("a guest that returns is answered when the device has let go of the slots of the one before", () => {
  const device = new SlowDevice();
  const visitor = new RingVisitor([device]);
  visitor.greet(1);
  visitor.submit(1);
  visitor.exchange();
  const urb = device.held[0]!;
  visitor.wire.arrive(2);
  visitor.advance(3000);
  const sees = () => visitor.wire.word(0x50);
  assert.equal(sees(), 0, "the old session is over, and the new one is not answered");
  urb.buffer.fill(0x55, urb.offset, urb.offset + urb.length);
  device.closings.shift()!();
  visitor.pair.settle();
  assert.equal(sees(), 2);
  visitor.wire.negotiate();
  const types = visitor.exchange().map(({ type }) => type);
  assert.deepEqual(types, [2, 3], "and nothing of the old session comes");
});

test("a host that returns: URBs end as disconnected, the device is unplugged, and there again", () => {
  const loop = new ManualLoop();
  const pair = new RingPair(loop);
  pair.start();
  const sink = new LoopbackSink(pair.attach(new HeldDevice()), loop);
  sink.flush();
  pair.settle();
  assert.equal(sink.inFlight, 1);
  pair.host = pair.newHost();
  pair.host.share(pair.shareOf(new HeldDevice()));
  pair.host.start();
  pair.settle();
  loop.advance(1000);
  assert.deepEqual([sink.inFlight, sink.unplugs, sink.statuses.get(disconnected)], [0, 1, 1]);
  assert.equal(pair.devices.length, 1);
  assert.notEqual(pair.devices[0], sink.device);
  assert.deepEqual(pair.guestEnds, [""]);
});

test("a host that stops says so, and gives every device back first", () => {
  const loop = new ManualLoop();
  const pair = new RingPair(loop);
  pair.start();
  const device = new HeldDevice();
  const sink = new LoopbackSink(pair.attach(device), loop);
  sink.flush();
  pair.settle();
  let stopped = false;
  pair.host.stop(() => {
    stopped = true;
  });
  pair.settle();
  assert.deepEqual([stopped, device.closed, sink.unplugs, sink.inFlight], [true, 1, 1, 0]);
  assert.deepEqual([pair.hostEnds, pair.guestEnds], [[""], [""]]);
  assert.deepEqual(pair.shareEvents, ["attached", "disconnected"]);
  assert.equal(pair.memory.load(0x48), 4, "host_state STOPPED");
});

test("a guest that stops says so, and the next one has the device", () => {
  const loop = new ManualLoop();
  const pair = new RingPair(loop);
  pair.start();
  const device = new HeldDevice();
  const sink = new LoopbackSink(pair.attach(device), loop);
  let stopped = false;
  pair.guest.stop(() => {
    stopped = true;
  });
  assert.deepEqual([stopped, sink.unplugs, sink.inFlight], [true, 1, 0]);
  pair.settle();
  assert.deepEqual([device.closed, pair.hostEnds], [1, [""]]);
  pair.guest = pair.newGuest();
  pair.guest.start();
  loop.advance(1000);
  assert.equal(pair.devices.length, 1);
});

test("a guest of version 1.0 is told in its own words that it is too old, once", () => {
  const visitor = new RingVisitor([new HeldDevice()]);
  const body = Buffer.alloc(32);
  body.writeUInt16LE(0x0100, 0);
  body.writeUInt16LE(0x0100, 2);
  body.writeUInt32LE(7, 4);
  visitor.wire.send(1, 1, 0, body, 0x0100);
  visitor.wire.send(20, 2, 0, Buffer.alloc(24), 0x0100);
  const answers = visitor.exchange();
  assert.deepEqual(
    answers.map(({ type, version, transaction, bytes }) => [
      type,
      version,
      transaction,
      bytes.readInt32LE(0x20),
    ]),
    [[2, 0x0100, 1, -1_073_741_637]],
  );
  assert.equal(answers[0]!.bytes.readUInt16LE(0x24), 0x0101, "what the host speaks");
  assert.deepEqual(visitor.pair.hostEnds, [
    "BAD_VERSION: the guest speaks version 1.0 of the ring, this host 1.1; update the guest",
  ]);
  visitor.wire.send(1, 3, 0, body, 0x0100);
  assert.deepEqual(visitor.exchange(), []);
  visitor.greet(1);
  assert.equal(visitor.pair.shareEvents.at(-1), "attached", "one of version 1.1 is welcome after it");
});

test("a guest of a later version alone is refused with the version that is spoken", () => {
  const visitor = new RingVisitor([new HeldDevice()]);
  visitor.wire.arrive(1);
  visitor.pair.settle();
  visitor.wire.negotiate({ min: 0x0102, max: 0x0200 });
  const [answer] = visitor.exchange();
  assert.deepEqual(
    [answer?.bytes.readInt32LE(0x20), answer?.bytes.readUInt16LE(0x24)],
    [-1_073_741_637, 0x0101],
  );
  assert.match(visitor.pair.hostEnds[0]!, /^BAD_VERSION: the guest speaks versions 0x102 to 0x200/);
});

test("a guest refuses a host of version 1.0, and says it once", () => {
  const loop = new ManualLoop();
  const pair = new RingPair(loop);
  pair.host.start();
  pair.isHostDead = true;
  pair.memory.store(0x04, 0x0001);
  pair.guest.start();
  pair.settle();
  loop.advance(5000);
  pair.settle();
  assert.equal(pair.guestEnds.length, 1);
  assert.match(pair.guestEnds[0]!, /^BAD_VERSION: the host speaks version 1\.0 of the ring, this guest 1\.1/);
  assert.equal(pair.memory.load(0x90), 0, "it greets nobody");
});

test("a silent guest is an orphan, then it is dead; its devices are free", () => {
  const device = new HeldDevice();
  const visitor = new RingVisitor([device], { limits: { silenceMs: 5000, graceMs: 25_000 } });
  visitor.greet();
  visitor.submit(1);
  visitor.exchange();
  visitor.advance(20_000);
  assert.deepEqual(visitor.pair.orphaned, []);
  visitor.loop.advance(6000);
  assert.deepEqual(visitor.pair.orphaned, [["host", true]]);
  visitor.pair.host.share(visitor.pair.shareOf(new HeldDevice()));
  visitor.pair.settle();
  assert.deepEqual(visitor.pair.shareEvents, ["attached"], "nothing new is begun with it");
  assert.equal(device.held.length, 1, "and nothing is taken from it");
  visitor.advance(2000);
  assert.deepEqual(visitor.pair.orphaned, [
    ["host", true],
    ["host", false],
  ]);
  assert.deepEqual(visitor.pair.shareEvents, ["attached", "attached"], "it is back in time");
  visitor.loop.advance(32_000);
  assert.match(visitor.pair.hostEnds[0]!, /^PEER_SILENT/);
  assert.deepEqual([device.held.length, device.closed], [0, 1]);
  assert.equal(visitor.wire.word(0x50), 0, "the guest will see it when it wakes up");
  assert.equal(visitor.wire.word(0x58), 12, "and why");
});

test("a guest that lives and reads nothing is cut", () => {
  const device = new HeldDevice();
  const visitor = new RingVisitor([device], { limits: { notReadingMs: 8000 } });
  visitor.greet();
  // Each is answered, and none of the answers is taken.
  for (let i = 1; i <= 600; i++) {
    visitor.submit(i, { endpoint: 16 });
    visitor.pair.settle();
  }
  visitor.advance(7000);
  assert.deepEqual(visitor.pair.hostEnds, []);
  visitor.advance(3000);
  assert.match(visitor.pair.hostEnds[0]!, /^PEER_NOT_READING/);
  assert.equal(device.closed, 1);
});

test("a host whose answers find no room reads nothing more, and sleeps meanwhile", () => {
  const visitor = new RingVisitor([new HeldDevice()], { limits: { waiting: 10 } });
  visitor.greet();
  const ring = visitor.pair.layout.h2g.dataSize / 128;
  for (let i = 1; i <= ring + 100; i++) {
    visitor.submit(i, { endpoint: 16 });
    // It would be found busy with nothing.
    visitor.pair.settle();
  }
  assert.equal(visitor.wire.word(0x1000), visitor.wire.produced);
  assert(visitor.wire.word(0x1040) < visitor.wire.produced, "not all was taken");
  const said = [...visitor.wire.read(), ...visitor.exchange(), ...visitor.exchange()];
  const answered = said.filter(({ type }) => type === 101).map(({ transaction }) => transaction);
  assert.deepEqual(
    answered,
    Array.from({ length: ring + 100 }, (_, i) => i + 1),
    "and nothing is lost",
  );
});

test("what a guest has done to the words of the host is mended for the next one", () => {
  const visitor = new RingVisitor([new HeldDevice()]);
  visitor.greet(1);
  for (const at of [0x00, 0x04, 0x10, 0x20, 0x4c, 0x1080, 0x1088]) visitor.wire.put(at, 0x1234_5678);
  visitor.wire.send(99, 1, 0, Buffer.alloc(16));
  visitor.exchange();
  visitor.advance(1000);
  const { pair } = visitor;
  pair.isGuestDead = false;
  pair.guest.start();
  pair.settle();
  assert.deepEqual([pair.devices.length, pair.guestEnds], [1, []]);
});

test("a host that is silent: a cancelled URB comes back within a second, its slots when the host lets go", () => {
  const loop = new ManualLoop();
  const pair = new RingPair(loop);
  pair.start();
  const device = pair.attach(new HeldDevice());
  pair.isHostDead = true;
  const results: TransferStatus[] = [];
  device.open({ complete: (done) => results.push(done.status), unplugged: () => {} }, loop, () => {});
  const urb = createUrb(0);
  urb.type = TransferType.bulk;
  urb.endpoint = 0x81;
  urb.length = 10_000;
  urb.buffer = new Uint8Array(urb.length);
  device.submit(urb);
  device.flush();
  device.cancel(urb);
  device.flush();
  loop.advance(1000);
  assert.deepEqual(results, [cancelled]);
  assert.deepEqual([pair.guest.usedSlots, pair.guest.pendingUrbs], [3, 1]);
  pair.isHostDead = false;
  pair.settle();
  assert.deepEqual([pair.guest.usedSlots, pair.guest.pendingUrbs], [0, 0]);
  assert.deepEqual(results, [cancelled], "it is not told twice");
});

test("a host that is silent for too long is dead: the device is unplugged", () => {
  const loop = new ManualLoop();
  const pair = new RingPair(loop, { limits: { silenceMs: 5000, graceMs: 25_000 } });
  pair.host.start();
  const wire = new RingWire(pair.memory.bytes, "host");
  pair.isHostDead = true;
  pair.guest.start();
  pair.settle();
  wire.put(0x50, wire.word(0x8c));
  pair.settle();
  const [negotiate] = wire.read();
  assert.equal(negotiate?.type, 1);
  loop.advance(31_000);
  assert.deepEqual(pair.orphaned, [["guest", true]]);
  assert.match(pair.guestEnds[0]!, /^PEER_SILENT/);
});
