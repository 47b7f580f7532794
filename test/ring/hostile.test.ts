import assert from "node:assert/strict";
import { test } from "node:test";
import { Zero } from "../../src/gadgets/zero.ts";
import type { RingMemory } from "../../src/ring/ring-memory.ts";
import { Speed } from "../../src/usb/speed.ts";
import { oddNumber } from "../fuzz/mutation.ts";
import { Random } from "../fuzz/random.ts";
import { LoopbackSink } from "../support/loopback-sink.ts";
import { ManualLoop } from "../support/manual-loop.ts";
import { RingPair } from "../support/ring-pair.ts";

const STEPS = 30_000;

/** A device that counts its sessions and what is in flight. */
class CountedZero extends Zero {
  opened = 0;
  closed = 0;

  override open(...parts: Parameters<Zero["open"]>): void {
    const [host, loop, done] = parts;
    super.open(host, loop, (refused) => {
      if (refused === undefined) this.opened++;
      done(refused);
    });
  }

  override close(done: () => void): void {
    super.close(() => {
      this.closed++;
      done();
    });
  }
}

/** Writes something odd to a place that the protocol reads. */
function scribble(memory: RingMemory, pair: RingPair, random: Random): void {
  const { g2h, h2g, dataOffset } = pair.layout;
  const ring = random.pick([g2h, h2g]);
  const index = memory.load(ring.offset + random.pick([0x00, 0x40]));
  const near = (index + 64 * (random.below(5) - 2)) & (ring.dataSize - 1);
  const at = random.pick([
    // The lines of both sides, the ring headers, messages near the indices: their headers, their bodies; the data.
    random.below(0x30),
    0x40 + random.below(0x60),
    ring.offset + random.pick([0x00, 0x04, 0x40, 0x44]),
    ring.offset + 0x80 + random.below(12),
    ring.offset + 192 + near + random.below(32),
    ring.offset + 192 + near + 32 + random.below(32),
    ring.offset + 192 + near + 32 + random.below(160),
    dataOffset + random.below(8192),
  ]);
  const place = Math.min(at & ~3, memory.length - 4);
  switch (random.below(3)) {
    case 0:
      memory.store(place, memory.load(place) ^ (1 << random.below(32)));
      break;
    case 1:
      memory.store(place, oddNumber(random));
      break;
    default:
      memory.bytes[Math.min(at, memory.length - 1)] = random.below(256);
  }
}

/** Traffic of both engines over memory that somebody else writes to. Gives how many sessions that has ended. */
function scribbledRun(seed: number, every: number): number {
  const random = new Random(seed);
  const loop = new ManualLoop();
  const pair = new RingPair(loop, { total: 4 << 20, slotSize: 4 << 10, limits: { retryMs: 1 } });
  pair.isManual = true;
  const zeros = [new CountedZero({ speed: Speed.high }), new CountedZero({ speed: Speed.super })];
  const sinks: LoopbackSink[] = [];
  const renew = (): void => {
    pair.host = pair.newHost();
    for (const zero of zeros) pair.host.share(pair.shareOf(zero));
    pair.host.start();
    pair.guest = pair.newGuest();
    pair.guest.start();
  };
  const stop = (): void => {
    let stopped = false;
    pair.guest.stop(() => {});
    pair.host.stop(() => {
      stopped = true;
    });
    loop.advance(2000);
    assert(stopped, "the host has every device back");
    for (const { opened, closed } of zeros) assert.equal(opened, closed);
    for (const sink of sinks) assert.equal(sink.inFlight, 0, "every URB has completed");
    sinks.length = 0;
  };
  renew();
  for (let step = 0; step < STEPS; step++) {
    const what = random.below(8);
    if (what < 3) pair.host.poll();
    else if (what < 6) pair.guest.poll();
    else if (what === 6) loop.turn();
    else loop.advance(random.below(20));
    for (const device of pair.devices) {
      if (sinks.every((sink) => sink.device !== device)) sinks.push(new LoopbackSink(device, loop, false));
    }
    for (const sink of sinks) {
      if (sink.inFlight < 40 && random.oneIn(2)) sink.pair();
      if (random.oneIn(3)) sink.flush();
    }
    if (random.below(every) === 0) scribble(pair.memory, pair, random);
    if (random.oneIn(50)) {
      pair.host.sleep();
      pair.guest.sleep();
    }
    // What was written to the words of a side itself does not heal: both begin anew.
    if (step % 500 === 499) {
      stop();
      renew();
    }
  }
  stop();
  const ends = [...pair.hostEnds, ...pair.guestEnds].filter((end) => end !== "");
  for (const end of ends) assert.match(end, /^[A-Z_]+: ./);
  works(pair, loop, zeros[0]!);
  return ends.length;
}

/** After all that a new pair on the same memory carries every byte. */
function works(pair: RingPair, loop: ManualLoop, zero: Zero): void {
  pair.host = pair.newHost();
  pair.host.share(pair.shareOf(zero));
  pair.host.start();
  pair.guest = pair.newGuest();
  pair.guest.start();
  pair.isManual = false;
  pair.settle();
  loop.advance(100);
  const sink = new LoopbackSink(pair.devices[0]!, loop);
  sink.flush();
  pair.settle();
  for (let i = 0; i < 20; i++) sink.pair();
  sink.flush();
  pair.settle();
  loop.advance(10);
  assert.deepEqual([sink.checked, sink.inFlight, pair.guest.usedSlots], [20, 0, 0]);
}

const seed = Date.now() >>> 0;

for (const every of [3, 40, 400]) {
  test(`memory that is written to at any place, once in ${every} steps, ends sessions and nothing else (seed ${seed})`, () => {
    const ends = scribbledRun(seed, every);
    // Seldom, and most of it does no harm: perhaps none.
    if (every < 400) assert(ends > 10, `${ends} sessions have ended`);
  });
}
