import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualLoop } from "../../test/support/manual-loop.ts";
import { Speed } from "../usb/speed.ts";
import { createUrb, type TransferType, type Urb } from "../usb/urb.ts";
import type { Gadget } from "./gadget.ts";
import { Keyboard } from "./keyboard.ts";
import { Zero } from "./zero.ts";

const GUARD = 0xa5;
const MARGIN = 64;
const NUMBERS = [
  0,
  1,
  2,
  7,
  8,
  9,
  63,
  64,
  65,
  511,
  512,
  1024,
  1025,
  4096,
  65_537,
  -1,
  -64,
  2 ** 31 - 1,
  -(2 ** 31),
];

/** Numbers that are the same in every run. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Any URB, mostly almost right: with a guard around the bytes that it may touch. */
function hostileUrb(random: (below: number) => number, tag: number): Urb {
  const pick = <T>(values: readonly T[]): T => values[random(values.length)]!;
  const urb = createUrb(tag);
  const room = pick([0, 8, 64, 512, 5000]);
  urb.buffer = new Uint8Array(room + 2 * MARGIN).fill(GUARD);
  urb.buffer.fill(0, MARGIN, MARGIN + room);
  urb.offset = MARGIN;
  urb.length = random(4) > 0 ? room : pick(NUMBERS.filter((n) => n <= room || n > room + MARGIN));
  urb.type = pick([0, 0, 1, 1, 2, 3, 9 as TransferType]);
  urb.endpoint = pick([0x00, 0x80, 0x81, 0x81, 0x01, 0x82, 0x02, 0x83, 0x03, 0x8f, 0xff, -1, 0x181]);
  urb.flags = random(8);
  for (let i = 0; i < 8; i++)
    urb.setup[i] = pick([0, 0, 0, 1, 2, 3, 5, 6, 9, 10, 11, 0x21, 0x40, 0x5b, 0x80, 0x81, random(256)]);
  urb.packets = new Int32Array(4 * random(6));
  for (let i = 0; i < urb.packets.length; i++) urb.packets[i] = pick(NUMBERS);
  urb.packetCount = random(4) > 0 ? urb.packets.length / 4 : pick(NUMBERS);
  return urb;
}

function batter(gadget: Gadget, seed: number): void {
  const random = generator(seed);
  const loop = new ManualLoop();
  const counts = new Map<Urb, number>();
  let closed = false;
  const complete = (urb: Urb) => {
    counts.set(urb, counts.get(urb)! + 1);
    const { buffer, length, actualLength, tag } = urb;
    assert(actualLength >= 0 && actualLength <= Math.max(length, 0), `${actualLength} of ${length} bytes`);
    const margins = [...buffer.subarray(0, MARGIN), ...buffer.subarray(buffer.length - MARGIN)];
    assert(
      margins.every((byte) => byte === GUARD),
      `URB ${tag} of seed ${seed} wrote outside of its buffer`,
    );
  };
  gadget.open({ complete, unplugged: () => {} }, loop, () => {});
  for (let i = 0; i < 3000; i++) {
    if (i % 100 === 0) {
      // An endpoint of every type is there now and then.
      for (const setup of [
        [0, 9, [3, 3, 2, 1][random(4)]!, 0, 0, 0, 0, 0],
        [1, 11, random(4), 0, 0, 0, 0, 0],
      ]) {
        const state = createUrb(-1);
        state.setup.set(setup);
        counts.set(state, 0);
        gadget.submit(state);
      }
    }
    const urb = hostileUrb(random, i);
    counts.set(urb, 0);
    gadget.submit(urb);
    if (random(5) === 0) gadget.cancel(urb);
    if (random(3) === 0) gadget.flush();
    if (random(20) === 0) loop.advance(random(5));
  }
  gadget.close(() => {
    closed = true;
  });
  loop.settle();
  assert(closed);
  assert.deepEqual(new Set(counts.values()), new Set([1]), "every URB completes exactly once");
  assert.equal(loop.timers, 0);
}

for (let seed = 1; seed <= 8; seed++) {
  test(`hostile URBs are answered one by one, seed ${seed}`, () => {
    for (const speed of [Speed.full, Speed.high, Speed.super]) batter(new Zero({ speed }), seed);
    for (const speed of [Speed.low, Speed.super]) {
      const keyboard = new Keyboard({ speed });
      keyboard.type("some text to read");
      batter(keyboard, seed);
    }
  });
}
