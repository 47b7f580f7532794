import { createUrb, type TransferType, type Urb } from "../../src/usb/urb.ts";
import type { Random } from "../fuzz/random.ts";

/** Bytes around those of a URB. */
export const MARGIN = 64;
/** What is in them. */
export const GUARD = 0xa5;
const NUMBERS = [
  0,
  1,
  7,
  8,
  64,
  65,
  512,
  1024,
  4096,
  98_305,
  -1,
  -64,
  2 ** 31 - 1,
  -(2 ** 31),
  Number.NaN,
  1.5,
];
const PLACES: readonly (readonly [TransferType, number])[] = [
  [0, 0x00],
  [0, 0x80],
  [1, 0x82],
  [1, 0x02],
  [2, 0x81],
  [2, 0x01],
];
const STRANGE = [0x00, 0x80, 0x81, 0x01, 0x82, 0x02, 0x83, 0x8f, 0xff, -1, 0x181];
const SETUP = [0, 0, 0, 1, 2, 5, 6, 8, 9, 11, 0x21, 0x80, 0x81];

/** Any URB, mostly almost right: with a guard around the bytes that it may touch. */
export function hostileUrb(random: Random, tag: number): Urb {
  const urb = createUrb(tag);
  const room = random.pick([0, 8, 64, 512, 5000, 40_000]);
  urb.buffer = new Uint8Array(room + 2 * MARGIN).fill(GUARD);
  urb.offset = random.oneIn(8) ? random.pick(NUMBERS) : MARGIN;
  urb.length = random.oneIn(6) ? random.pick(NUMBERS.filter((n) => !(n > room && n <= room + MARGIN))) : room;
  // Whatever its offset is, the guard behind is not part of it.
  if (urb.offset !== MARGIN && urb.offset + urb.length > MARGIN + room) urb.length = 0;
  [urb.type, urb.endpoint] = random.pick(PLACES);
  if (random.oneIn(8)) urb.type = random.below(10) as TransferType;
  if (random.oneIn(8)) urb.endpoint = random.pick(STRANGE);
  urb.flags = random.below(8);
  for (let i = 0; i < 6; i++) urb.setup[i] = random.pick(SETUP);
  if (!random.oneIn(8)) urb.setup[0] = (urb.setup[0]! & 0x7f) | (urb.endpoint & 0x80);
  const wLength = random.oneIn(8) ? random.below(65_536) : urb.length;
  urb.setup.set([wLength & 0xff, wLength >> 8], 6);
  urb.packets = new Int32Array(4 * random.below(300));
  const each = Math.floor(room / (urb.packets.length / 4 || 1));
  for (let i = 0; i < urb.packets.length; i += 4) {
    urb.packets.set([(i / 4) * each, random.below(each + 1), 0, 0], i);
    if (random.oneIn(2000)) urb.packets[i + random.below(2)] = random.pick(NUMBERS);
  }
  urb.packetCount = random.oneIn(8) ? random.pick(NUMBERS) : urb.packets.length / 4;
  return urb;
}
