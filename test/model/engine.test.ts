import assert from "node:assert/strict";
import { test } from "node:test";
import { Channel } from "../../src/ring/channel.ts";
import { Consumer } from "../../src/ring/consumer.ts";
import { RingGuest } from "../../src/ring/guest.ts";
import { RingHost } from "../../src/ring/host.ts";
import {
  Control,
  type Layout,
  LINE,
  NO_NOTIFY,
  planLayout,
  RING_HEADER_SIZE,
  RingHeader,
  Side,
} from "../../src/ring/layout.ts";
import { Producer } from "../../src/ring/producer.ts";
import { RingMemory } from "../../src/ring/ring-memory.ts";
import { RingStats } from "../../src/ring/ring-stats.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";
import { ManualLoop } from "../support/manual-loop.ts";
import { NO_NOTIFY as MODEL_NO_NOTIFY } from "./ring-threads.ts";

/** The engines take the steps that the models check, in their order. */

const layout = planned();
const MESSAGE = 96;

function planned(): Layout {
  const plan = planLayout({ total: 4 << 20, ringData: 64 << 10, slotSize: 4 << 10 });
  assert(!(plan instanceof ProtocolError));
  return plan;
}

const NAMES = new Map<number, string>();
for (const [ring, { offset }] of [
  ["g2h", layout.g2h],
  ["h2g", layout.h2g],
] as const) {
  for (const word of ["producer_index", "producer_flags", "consumer_index", "consumer_flags"] as const) {
    NAMES.set(offset + RingHeader[word], `${ring}.${word}`);
  }
}
for (const side of ["host", "guest"] as const) {
  for (const word of ["epoch", "sees", "bell"] as const)
    NAMES.set(Control[side] + Side[word], `${side}.${word}`);
}

/** Writes down who looks at which of these words, and who changes them. */
class WatchedMemory extends RingMemory {
  readonly seen: string[] = [];
  /** Runs before each access. */
  before: (access: string) => void = () => {};

  override load(at: number): number {
    this.#note("load", at);
    return super.load(at);
  }

  override store(at: number, value: number): void {
    this.#note("store", at);
    super.store(at, value);
  }

  /** What another process does meanwhile. */
  meanwhile(at: number, value: number): void {
    super.store(at, value);
  }

  #note(what: string, at: number): void {
    const name = NAMES.get(at);
    if (name === undefined) return;
    this.before(`${what} ${name}`);
    this.seen.push(`${what} ${name}`);
  }
}

const fresh = (): WatchedMemory => new WatchedMemory(new SharedArrayBuffer(layout.total));

/** What `act` does to these words. */
function accesses(memory: WatchedMemory, act: () => void): string[] {
  memory.seen.length = 0;
  act();
  return [...memory.seen];
}

test("a producer writes all, publishes its index, and looks then whether the consumer sleeps", () => {
  const memory = fresh();
  const producer = new Producer(memory, layout.g2h);
  const data = layout.g2h.offset + RING_HEADER_SIZE;
  producer.put(new Int32Array(MESSAGE / 4).fill(-1), MESSAGE);
  let shown = -1;
  memory.before = (access) => {
    if (access === "store g2h.producer_index") shown = memory.bytes[data + MESSAGE - 1]!;
  };
  assert.deepEqual(
    accesses(memory, () => producer.publish()),
    ["store g2h.producer_index", "load g2h.consumer_flags"],
  );
  assert.equal(shown, 0xff, "the message is there before the index tells of it");
  assert.equal(memory.load(layout.g2h.offset + RingHeader.producer_index) % LINE, 0);
});

test("a consumer gives room back when it has read, and looks then whether the producer waits for it", () => {
  const memory = fresh();
  const channel = channelOf(memory, "guest");
  channel.say(0, 1, 1, new Uint8Array(0));
  channel.flush();
  const consumer = new Consumer(memory, layout.g2h, layout.messageMax);
  assert.deepEqual(
    accesses(memory, () => consumer.next()),
    ["load g2h.producer_index"],
  );
  assert.deepEqual(
    accesses(memory, () => consumer.release()),
    ["store g2h.consumer_index", "load g2h.producer_flags"],
  );
});

test("a side that goes to sleep asks for a wake-up first, and looks then for messages once more", () => {
  const memory = fresh();
  const channel = channelOf(memory, "guest");
  assert.deepEqual(
    accesses(memory, () => assert.equal(channel.sleep(), true)),
    ["store h2g.consumer_flags", "load h2g.producer_index"],
  );
  assert.equal(memory.load(layout.h2g.offset + RingHeader.consumer_flags) & NO_NOTIFY, 0);
  assert.equal(NO_NOTIFY, MODEL_NO_NOTIFY);
});

test("a side that waits for room asks for a wake-up first, and looks then for room once more", () => {
  const memory = fresh();
  const channel = channelOf(memory, "guest");
  channel.clear();
  for (let line = 0; line * LINE < layout.g2h.dataSize; line++) channel.say(0, 1, 1, new Uint8Array(0));
  assert(channel.waiting > 0);
  const seen = accesses(memory, () => channel.flush());
  const asked = seen.indexOf("store g2h.producer_flags");
  assert(asked >= 0);
  assert.deepEqual(seen.slice(asked), [
    "store g2h.producer_flags",
    "load g2h.consumer_index",
    "store g2h.producer_index",
    "load g2h.consumer_flags",
    "load guest.bell",
    "store guest.bell",
  ]);
  // Asleep, it looks for room, too.
  assert.deepEqual(
    accesses(memory, () => channel.sleep()),
    ["store h2g.consumer_flags", "load h2g.producer_index", "load g2h.consumer_index"],
  );
});

test("a bell is counted up before the call that wakes", () => {
  const memory = fresh();
  const channel = channelOf(memory, "host", () => memory.seen.push("wake"));
  assert.deepEqual(
    accesses(memory, () => channel.ring()),
    ["load host.bell", "store host.bell", "wake"],
  );
});

test("a guest takes back what it sees, clears its indices, tells its epoch, and sees the host at last", () => {
  const memory = fresh();
  hostOn(memory).start();
  const stores = accesses(memory, () => guestOn(memory).start()).filter(
    (access) => access.startsWith("store") && !access.endsWith("flags"),
  );
  assert.deepEqual(stores, [
    "store guest.sees",
    "store g2h.producer_index",
    "store h2g.consumer_index",
    "store guest.epoch",
    "store guest.sees",
    "store guest.bell",
  ]);
});

test("a host reads the epoch of a guest before what it sees, clears its indices, and answers at last", () => {
  const memory = fresh();
  const host = hostOn(memory);
  host.start();
  guestOn(memory).start();
  const seen = accesses(memory, () => host.poll());
  assert(seen.indexOf("load guest.epoch") < seen.indexOf("load guest.sees"));
  assert.deepEqual(
    seen.filter((access) => access.startsWith("store") && !access.endsWith("flags")),
    ["store h2g.producer_index", "store g2h.consumer_index", "store host.sees", "store host.bell"],
  );
});

test("a guest that dies while the host looks at it leaves the next one an answer", () => {
  // Wherever the host looks at the guest, that one dies, and the next one gets as far as telling its epoch.
  for (let look = 1; look <= 8; look++) {
    const memory = fresh();
    const loop = new ManualLoop();
    const host = hostOn(memory, loop);
    host.start();
    guestOn(memory, loop).start();
    const hostEpoch = memory.load(Control.host + Side.epoch);
    const nextEpoch = memory.load(Control.guest + Side.epoch) + 1;
    let looks = 0;
    memory.before = (access) => {
      if (!access.startsWith("load guest.") || ++looks !== look) return;
      memory.meanwhile(Control.guest + Side.sees, 0);
      memory.meanwhile(Control.guest + Side.epoch, nextEpoch);
    };
    for (let polls = 0; polls < 8; polls++) host.poll();
    assert(looks >= look, `the host looks ${looks} times`);
    memory.meanwhile(layout.g2h.offset + RingHeader.producer_index, 0);
    memory.meanwhile(Control.guest + Side.sees, hostEpoch);
    for (let polls = 0; polls < 8; polls++) {
      host.poll();
      loop.advance(1_000);
    }
    assert.equal(memory.load(Control.host + Side.sees), nextEpoch, `it died before look ${look}`);
  }
});

function channelOf(memory: RingMemory, side: "host" | "guest", wake = (): void => {}): Channel {
  return new Channel(memory, layout, side, new RingStats(), wake);
}

function hostOn(memory: RingMemory, loop = new ManualLoop()): RingHost {
  return new RingHost(memory, loop, layout, { wake: () => {}, began: () => {}, ended: () => {} });
}

function guestOn(memory: RingMemory, loop = new ManualLoop()): RingGuest {
  return new RingGuest(memory, loop, {
    wake: () => {},
    began: () => {},
    ended: () => {},
    added: () => {},
    removed: () => {},
  });
}
