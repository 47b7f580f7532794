import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolError } from "../wire/protocol-error.ts";
import { Channel } from "./channel.ts";
import { Control, type Layout, planLayout, RingHeader, Side } from "./layout.ts";
import { BODY, MessageHeader } from "./messages.ts";
import { RingMemory } from "./ring-memory.ts";
import { RingStats } from "./ring-stats.ts";

const RING = 64 << 10;
const LINES = RING / 64;

class Pair {
  readonly layout: Layout;
  readonly memory: RingMemory;
  readonly host: Channel;
  readonly guest: Channel;
  readonly stats = new RingStats();
  /** Times that the guest and the host were woken up. */
  readonly wakes = { guest: 0, host: 0 };

  constructor() {
    const layout = planLayout({ total: 4 << 20, ringData: RING });
    assert(!(layout instanceof ProtocolError));
    this.layout = layout;
    this.memory = new RingMemory(new SharedArrayBuffer(layout.total));
    this.host = new Channel(this.memory, layout, "host", this.stats, () => this.wakes.guest++);
    this.guest = new Channel(this.memory, layout, "guest", new RingStats(), () => this.wakes.host++);
    this.guest.clear();
    this.host.clear();
  }

  /** Transaction ids of all that the guest can read. */
  read(): number[] {
    const seen: number[] = [];
    for (;;) {
      const taken = this.guest.incoming.next();
      assert(!(taken instanceof ProtocolError));
      if (!taken) return seen;
      seen.push(MessageHeader.read.transaction_id(this.guest.incoming.view, 0));
    }
  }
}

function body(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => seed * 31 + i);
}

test("messages of any length come out as they went in, round the end of the ring", () => {
  const { host, guest } = new Pair();
  for (let i = 1; i < 5000; i++) {
    const sent = body((i * 37) % 9000, i);
    host.say(100, i, 3, sent);
    assert.equal(host.flush(), undefined);
    assert.equal(guest.incoming.next(), true);
    const { bytes, view, length } = guest.incoming;
    assert.equal(length, BODY + sent.length);
    assert.equal(MessageHeader.read.transaction_id(view, 0), i);
    assert.equal(Buffer.compare(bytes.subarray(BODY, length), sent), 0, `message ${i}`);
    guest.flush();
  }
});

test("nothing is seen before it is published, and all of it at once", () => {
  const pair = new Pair();
  for (let i = 1; i <= 10; i++) pair.host.say(100, i, 1, new Uint8Array(16));
  assert.deepEqual(pair.read(), []);
  pair.host.flush();
  assert.deepEqual(pair.read(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assert.deepEqual([pair.stats.batches, pair.wakes.guest], [1, 1]);
});

test("one line of the ring stays free; what does not fit waits in order", () => {
  const pair = new Pair();
  for (let i = 1; i <= LINES + 5; i++) pair.host.say(100, i, 1, new Uint8Array(32));
  pair.host.flush();
  assert.deepEqual([pair.host.waiting, pair.stats.ringFull], [6, 6]);
  const { h2g } = pair.layout;
  assert.equal(pair.memory.load(h2g.offset + RingHeader.producer_index), RING - 64);
  assert.equal(pair.read().length, LINES - 1);
  // The host asked to be told when there is room.
  assert.equal(pair.wakes.host, 0);
  pair.guest.flush();
  assert.equal(pair.wakes.host, 1);
  pair.host.flush();
  assert.equal(pair.host.waiting, 0);
  assert.deepEqual(pair.read(), [LINES, LINES + 1, LINES + 2, LINES + 3, LINES + 4, LINES + 5]);
  pair.guest.flush();
  assert.equal(pair.wakes.host, 1, "nobody waits any more");
});

test("an awake consumer is not woken up, a sleeping one is, and sees a bell that has changed", () => {
  const pair = new Pair();
  const bell = () => pair.memory.load(Control.host + Side.bell);
  pair.guest.awake();
  pair.host.say(100, 1, 1, new Uint8Array(16));
  pair.host.flush();
  assert.deepEqual([pair.wakes.guest, bell()], [0, 0]);
  assert.equal(pair.guest.sleep(), false, "there is a message");
  pair.read();
  assert.equal(pair.guest.sleep(), true);
  pair.host.say(100, 2, 1, new Uint8Array(16));
  pair.host.flush();
  assert.deepEqual([pair.wakes.guest, bell()], [1, 1]);
});

test("what is left of a longer message does not go out with a shorter one", () => {
  const { host, guest, memory, layout } = new Pair();
  host.say(100, 1, 1, new Uint8Array(90).fill(0xaa));
  host.flush();
  guest.incoming.next();
  guest.flush();
  host.say(100, 2, 1, Uint8Array.of(1));
  host.flush();
  const second = layout.h2g.offset + 192 + 128;
  assert.deepEqual(
    memory.bytes.slice(second + BODY, second + 64),
    Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 1 : 0)),
  );
});

/** [what the producer does to the memory, code of the error] */
const BROKEN: readonly (readonly [string, (words: (at: number, value: number) => void) => void, string])[] = [
  ["an index beyond the ring", (store) => store(0, RING + 64), "BAD_FIELD"],
  ["an index of a full ring without a free line", (store) => store(0, RING), "BAD_FIELD"],
  ["an index behind ours", (store) => store(0, -64), "BAD_FIELD"],
  ["an index between lines", (store) => store(0, 65), "BAD_FIELD"],
  ["a length below a header", (store) => store(192 + 8, 31), "BAD_LENGTH"],
  ["a length above the limit", (store) => store(192 + 8, 16_385), "BAD_LENGTH"],
  ["a length of 2^32 - 1", (store) => store(192 + 8, -1), "BAD_LENGTH"],
  ["a length beyond what is there", (store) => store(192 + 8, 65), "TRUNCATED"],
  ["another magic", (store) => store(192, 0x4d444856), "BAD_FIELD"],
];

for (const [what, harm, code] of BROKEN) {
  test(`${what} is an error`, () => {
    const { host, guest, memory, layout } = new Pair();
    host.say(100, 1, 1, new Uint8Array(32));
    host.flush();
    harm((at, value) => memory.store(layout.h2g.offset + at, value));
    const taken = guest.incoming.next();
    assert(taken instanceof ProtocolError);
    assert.equal(taken.code, code);
  });
}

test("a consumer that goes backwards, too far or between lines is an error, once its index is needed", () => {
  for (const index of [64, -64, 1]) {
    const pair = new Pair();
    for (let i = 0; i < 10; i++) pair.host.say(100, 1, 1, new Uint8Array(0));
    pair.host.flush();
    pair.read();
    pair.guest.flush();
    const broken = index === 64 ? 11 * 64 : index;
    pair.memory.store(pair.layout.h2g.offset + RingHeader.consumer_index, broken);
    for (let i = 0; i < LINES; i++) pair.host.say(100, 1, 1, new Uint8Array(0));
    const error = pair.host.flush();
    if (index === 64) continue;
    assert(error instanceof ProtocolError, `index ${broken}`);
    assert.equal(error.code, "BAD_FIELD");
  }
});
