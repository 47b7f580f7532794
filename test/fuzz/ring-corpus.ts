import { HeldDevice } from "../support/held-device.ts";
import { submitBody } from "../support/ring-wire.ts";
import { joined, mutateBytes, oddNumber, putField } from "./mutation.ts";
import type { Random } from "./random.ts";

/** Where the slots begin with the layout of `RingPair`. */
export const DATA_OFFSET = 0x22000;

/** One message, filled up to whole lines. */
export function message(type: number, transaction: number, device: number, body: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc((32 + body.length + 63) & ~63);
  bytes.writeUInt32LE(0x4d444855, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt16LE(0x0101, 6);
  bytes.writeUInt32LE(32 + body.length, 8);
  bytes.writeUInt32LE(transaction, 12);
  bytes.writeUInt32LE(device, 16);
  bytes.set(body, 32);
  return bytes;
}

export function words(...values: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeInt32LE(value | 0, 4 * i);
  return bytes;
}

/** The body of ISO_SUBMIT on endpoint 3, with packets of 8 bytes. */
function isoBody(direction: number, packets: number): Uint8Array {
  const table = Array.from({ length: packets }, (_, i) => [8 * i, 8]).flat();
  return words(1, 3, direction, packets, 0, DATA_OFFSET, 8 * packets, 2, ...table);
}

/** The body of STREAM. */
function streamBody(stream: number, flags: number, bytes = ""): Uint8Array {
  return Buffer.concat([words(stream, flags, 0, 0), Buffer.from(bytes)]);
}

const DEVICE = Buffer.concat([words(1), Buffer.alloc(12)]);
const ACK = Buffer.concat([words(1, 0), Buffer.alloc(8)]);

/** What a guest says behind NEGOTIATE. */
export const GUEST_TALK: readonly (readonly Uint8Array[])[] = [
  [
    message(5, 0, 1, ACK),
    message(100, 2, 1, submitBody({}, DATA_OFFSET)),
    message(
      100,
      3,
      1,
      submitBody({ direction: 0, mode: 2, length: 5, inline: Buffer.from("hello") }, DATA_OFFSET),
    ),
    message(100, 4, 1, submitBody({ direction: 0, length: 3000 }, DATA_OFFSET)),
    message(102, 2, 1, DEVICE),
    message(20, 0, 0, words(1, 2, 2, 3, 4, 0)),
  ],
  [
    message(
      100,
      5,
      1,
      submitBody(
        { endpoint: 0, type: 0, length: 18, setup: Buffer.from("8006000100001200", "hex") },
        DATA_OFFSET,
      ),
    ),
    message(200, 6, 1, isoBody(1, 4)),
    message(200, 7, 1, isoBody(0, 40)),
    message(400, 8, 0, DEVICE),
    message(7, 9, 1, DEVICE),
  ],
  [
    message(100, 10, 1, submitBody({ mode: 0, length: 0 }, DATA_OFFSET)),
    message(9, 11, 1, DEVICE),
    message(6, 0, 1, ACK),
    message(31, 12, 0, words(0, 0, 0, 0)),
  ],
  [
    message(50, 0, 0, streamBody(1, 1, "what is there")),
    message(50, 0, 0, streamBody(2, 1)),
    message(50, 0, 0, streamBody(1, 0, "and what else")),
    message(50, 0, 0, streamBody(2, 4)),
    message(50, 0, 0, streamBody(1, 2)),
  ],
];

const { descriptors } = new HeldDevice();

/** The body of DEVICE_ADDED of a `HeldDevice`. */
export function addedBody(id: number): Uint8Array {
  const fixed = Buffer.alloc(40);
  fixed.writeUInt32LE(id, 0);
  fixed[15] = 3;
  fixed.set(descriptors.subarray(0, 18), 16);
  fixed[34] = 1;
  fixed.writeUInt32LE(descriptors.length - 18, 36);
  return Buffer.concat([fixed, descriptors.subarray(18)]);
}

/** The body of URB_COMPLETE. */
function completeBody(endpoint: number, status: number, actual: number, inline = ""): Uint8Array {
  return Buffer.concat([
    words(1, endpoint, status, actual, 1, DATA_OFFSET),
    Buffer.alloc(40),
    Buffer.from(inline),
  ]);
}

/** Transaction ids of the first requests of a guest. */
export function transactionOf(place: number): number {
  return (1 << 16) | place;
}

/** What a host says when device 1 has requests 1 (IN, 512), 2 (IN inline, 64), 3 (OUT, 3000), 4 (isochronous IN, 4 x 8). */
export const HOST_TALK: readonly (readonly Uint8Array[])[] = [
  [
    message(101, transactionOf(1), 1, completeBody(1, 0, 512)),
    message(101, transactionOf(2), 1, completeBody(2, 0, 5, "hello")),
    message(101, transactionOf(3), 1, completeBody(1, -2, 0)),
    message(201, transactionOf(4), 1, words(1, 3, 0, 1, 4, 77, 0, 0, 8, 0, 8, 0, 0, -7, 3, -11)),
    message(103, transactionOf(1), 1, words(-102, 0, 0, 0)),
  ],
  [
    message(3, 0, 2, addedBody(2)),
    message(300, 0, 1, words(1, 0, 5, 0)),
    message(301, 0, 1, words(1, 0, 0, 0)),
    message(101, transactionOf(1), 1, completeBody(1, -100, 0)),
    message(4, 0, 1, words(1, 1, 0, 0)),
    message(101, transactionOf(2), 1, completeBody(2, -100, 0)),
    message(20, 0, 0, words(1, 2, 2, 3, 0, 0)),
  ],
  [
    message(201, transactionOf(4), 1, words(1, 3, -103, 0, 0, 0, 0, 0)),
    message(8, 3, 1, words(1, 0, 0, 0)),
    message(401, 4, 0, new Uint8Array(120)),
    message(30, 5, 0, words(0, 0, 0, 0)),
  ],
  [
    message(50, 0, 0, streamBody(1, 0, "this is there")),
    message(50, 0, 0, streamBody(2, 4)),
    message(50, 0, 0, streamBody(1, 2)),
  ],
];

/** Messages in another order, some twice, some with odd numbers in their fields; and bytes that are none at all. */
export function mutateTalk(talks: readonly (readonly Uint8Array[])[], random: Random): Uint8Array {
  if (random.oneIn(8)) {
    const all = talks.map((talk) => joined(talk));
    return mutateBytes(random.pick(all), random, all);
  }
  const messages: Uint8Array[] = random.pick(talks).map((bytes) => Uint8Array.from(bytes));
  for (let changes = random.below(3); changes > 0; changes--) {
    const bytes = random.pick(messages);
    // Some field of the header, a length or an offset of most messages, or any field of the body.
    const at = random.pick([
      random.below(8) * 4,
      random.pick([0x28, 0x2c, 0x30, 0x38, 0x3c]),
      random.pick([0x28, 0x2c, 0x30, 0x38, 0x3c]),
      32 + random.below((bytes.length - 32) >> 2) * 4,
    ]);
    if (random.oneIn(3)) bytes[at + random.below(4)]! ^= 1 << random.below(8);
    else putField(bytes, at, 4, "little", oddNumber(random));
  }
  if (random.oneIn(3)) messages.splice(random.below(messages.length), 1);
  if (random.oneIn(4)) messages.push(random.pick(random.pick(talks)));
  if (random.oneIn(4)) messages.reverse();
  return joined(messages);
}
