import type { Random } from "./random.ts";

/** Values at the edges of the fields and limits of the protocols, truncated to the field they land in. */
export const EDGES: readonly number[] = [
  0, 1, 2, 3, 4, 8, 9, 15, 16, 17, 47, 48, 49, 63, 64, 127, 128, 255, 256, 511, 512, 1023, 1024, 1025, 0x7fff,
  0x8000, 0xffff, 0x10000, 0xffffff, 0x1000000, 0x1000001, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
];

export type Order = "big" | "little";

/** Writes an unsigned field of 1, 2 or 4 bytes. */
export function putField(bytes: Uint8Array, at: number, size: number, order: Order, value: number): void {
  for (let i = 0; i < size && at + i < bytes.length; i++) {
    const shift = 8 * (order === "big" ? size - 1 - i : i);
    bytes[at + i] = value >>> shift;
  }
}

/** Mostly an edge, else anything. */
export function oddNumber(random: Random): number {
  return random.oneIn(4) ? random.next() : random.pick(EDGES);
}

/** One to four changes that know nothing of the format. `others` lend bytes. */
export function mutateBytes(input: Uint8Array, random: Random, others: readonly Uint8Array[]): Uint8Array {
  let bytes: Uint8Array = input.slice();
  for (let changes = 1 + random.below(4); changes > 0; changes--) bytes = change(bytes, random, others);
  return bytes;
}

function change(bytes: Uint8Array, random: Random, others: readonly Uint8Array[]): Uint8Array {
  const at = random.below(bytes.length + 1);
  const length = 1 + random.below(Math.min(16, bytes.length - at + 1));
  switch (random.below(10)) {
    case 0:
    case 1:
    case 2:
      if (at < bytes.length) bytes[at]! ^= 1 << random.below(8);
      return bytes;
    case 3:
    case 4:
      if (at < bytes.length) bytes[at] = random.pick(EDGES);
      return bytes;
    case 5:
      putField(bytes, at, random.pick([2, 4]), random.pick(["big", "little"]), oddNumber(random));
      return bytes;
    case 6:
      return joined([bytes.subarray(0, at), bytes.subarray(at, at + length), bytes.subarray(at)]);
    case 7:
      return random.oneIn(2) ? joined([bytes.subarray(0, at), bytes.subarray(at + length)]) : bytes;
    case 8: {
      const other = random.pick(others);
      const from = random.below(other.length + 1);
      bytes.set(other.subarray(from, from + Math.min(length, bytes.length - at)), at);
      return bytes;
    }
    default:
      return random.oneIn(4) ? bytes.slice(0, at) : joined([bytes, bytes.subarray(at, at + length)]);
  }
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
