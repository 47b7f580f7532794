import assert from "node:assert/strict";
import { test } from "node:test";
import { TransferStatus } from "../../src/usb/urb.ts";
import { annotatedHex } from "../support/annotated-hex.ts";
import { HeldDevice } from "../support/held-device.ts";
import { RingVisitor } from "../support/ring-visitor.ts";
import { completion, type SubmitFields } from "../support/ring-wire.ts";

const SLOT_END = 0x22000 + (4 << 20);

/** [what, fields of a URB_SUBMIT, status of its URB_COMPLETE] */
const REFUSED: readonly (readonly [string, Partial<SubmitFields>, number])[] = [
  ["a device that is not there", { device: 2 }, -100],
  ["device 0", { device: 0 }, -100],
  ["device 2^32 - 1", { device: 0xffffffff }, -100],
  ["endpoint 16", { endpoint: 16 }, -103],
  ["an endpoint that does not exist", { endpoint: 9 }, -2],
  ["the other direction of an endpoint", { endpoint: 2, direction: 0 }, -2],
  ["direction 2", { direction: 2 }, -103],
  ["type 4", { type: 4 }, -103],
  ["an isochronous URB_SUBMIT", { endpoint: 3, type: 1 }, -103],
  ["an interrupt transfer on a bulk endpoint", { type: 3 }, -103],
  ["data mode 3", { mode: 3 }, -103],
  ["data without a place", { mode: 0, length: 1 }, -103],
  ["more than 96 bytes inline", { mode: 2, length: 97 }, -103],
  ["inline data that are not there", { mode: 2, direction: 0, length: 8, inline: new Uint8Array(7) }, -103],
  ["data in front of the slots", { offset: 0 }, -103],
  ["data in a ring", { offset: 0x1100 }, -103],
  ["data one byte in front of the slots", { offset: 0x21fff }, -103],
  ["data one byte beyond the memory", { offset: SLOT_END - 511 }, -103],
  ["data at 2^32 - 1", { offset: 0xffffffff }, -103],
  ["data whose end is beyond 2^32", { offset: 0xfffff000, length: 0x2000 }, -103],
  ["16 MiB and a byte", { length: (16 << 20) + 1 }, -103],
  ["4 GiB", { length: 0xffffffff }, -103],
  [
    "a control write whose data stage goes in",
    { endpoint: 0, direction: 1, type: 0, length: 4, setup: annotatedHex("40 01 0000 0000 0400") },
    -103,
  ],
  [
    "SET_ADDRESS",
    { endpoint: 0, direction: 0, type: 0, mode: 0, length: 0, setup: annotatedHex("00 05 0100 0000 0000") },
    -103,
  ],
];

test("what cannot be carried out is answered with its transaction, and never reaches the device", () => {
  const device = new HeldDevice();
  const visitor = new RingVisitor([device]);
  visitor.greet();
  for (const [i, [what, fields, status]] of REFUSED.entries()) {
    visitor.submit(1000 + i, fields);
    const answers = visitor.exchange();
    assert.deepEqual(
      answers.map((answer) => [answer.type, answer.device, completion(answer)]),
      [[101, fields.device ?? 1, [1000 + i, status, 0]]],
      what,
    );
  }
  assert.equal(device.held.length, 0);
  assert.deepEqual(visitor.pair.hostEnds, []);
  visitor.submit(1);
  visitor.exchange();
  assert.equal(device.held.length, 1, "the next one that is right is carried out");
});

test("a device id in the body that is not that of the header is refused", () => {
  const visitor = new RingVisitor([new HeldDevice(), new HeldDevice()]);
  visitor.greet();
  const body = Buffer.alloc(64);
  body.writeUInt32LE(2, 0);
  visitor.wire.send(100, 7, 1, body);
  assert.deepEqual(visitor.exchange().map(completion), [[7, -103, 0]]);
});

/** An ISO_SUBMIT with packets as [offset, length]. */
function isoBody(
  dataOffset: number,
  packets: readonly (readonly [number, number])[],
  { count = packets.length, total = 4096, endpoint = 3, direction = 1, offset = dataOffset } = {},
): Uint8Array {
  const body = Buffer.alloc(32 + 8 * packets.length);
  for (const [i, value] of [1, endpoint, direction, count, 0, offset, total, 2].entries()) {
    body.writeUInt32LE(value >>> 0, 4 * i);
  }
  for (const [i, [at, length]] of packets.entries()) {
    body.writeUInt32LE(at, 32 + 8 * i);
    body.writeUInt32LE(length, 36 + 8 * i);
  }
  return body;
}

test("isochronous packets that are not there, overlap or stand outside are refused", () => {
  const device = new HeldDevice();
  const visitor = new RingVisitor([device]);
  visitor.greet();
  const at = visitor.dataOffset;
  const wrong: readonly (readonly [string, Uint8Array, number])[] = [
    ["more packets than the message has", isoBody(at, [[0, 8]], { count: 2 }), -103],
    ["1025 packets", isoBody(at, [], { count: 1025 }), -103],
    ["2^32 - 1 packets", isoBody(at, [], { count: 0xffffffff }), -103],
    [
      "overlapping packets",
      isoBody(at, [
        [0, 100],
        [99, 100],
      ]),
      -103,
    ],
    ["a packet beyond the end", isoBody(at, [[4000, 97]]), -103],
    ["a packet of 2^32 - 1 bytes", isoBody(at, [[0, 0xffffffff]]), -103],
    ["a packet at 2^32 - 1", isoBody(at, [[0xffffffff, 1]]), -103],
    ["data outside of the slots", isoBody(at, [[0, 8]], { offset: 0x1000 }), -103],
    ["an endpoint that is none", isoBody(at, [[0, 8]], { endpoint: 7 }), -2],
    ["a bulk endpoint", isoBody(at, [[0, 8]], { endpoint: 1 }), -103],
  ];
  for (const [i, [what, body, status]] of wrong.entries()) {
    visitor.wire.send(200, 50 + i, 1, body);
    const answer = visitor.exchange()[0]!;
    assert.deepEqual(
      [answer.type, answer.transaction, answer.bytes.readInt32LE(0x28)],
      [201, 50 + i, status],
      what,
    );
    assert.equal(answer.bytes.readUInt32LE(0x30), 0, "without packets");
  }
  assert.equal(device.held.length, 0);
});

/** [what, what the guest does, code that the session ends with] */
const ENDED: readonly (readonly [string, (visitor: RingVisitor) => void, string])[] = [
  ["a transaction without an id", (visitor) => visitor.submit(0), "BAD_FIELD"],
  [
    "a transaction that is in flight",
    (visitor) => {
      visitor.submit(5);
      visitor.submit(5);
    },
    "DUPLICATE_SEQNUM",
  ],
  ["a message of the host", (visitor) => visitor.wire.send(101, 1, 1, Buffer.alloc(64)), "BAD_COMMAND"],
  ["an unknown message", (visitor) => visitor.wire.send(499, 1, 1, Buffer.alloc(64)), "BAD_COMMAND"],
  ["a second NEGOTIATE", (visitor) => visitor.wire.negotiate(), "BAD_COMMAND"],
  ["another version", (visitor) => visitor.wire.send(20, 1, 0, Buffer.alloc(24), 0x0100), "BAD_VERSION"],
  ["a message that is too short", (visitor) => visitor.wire.send(100, 1, 1, Buffer.alloc(63)), "TRUNCATED"],
];

for (const [what, act, code] of ENDED) {
  test(`${what} ends the session and nothing else`, () => {
    const device = new HeldDevice();
    const visitor = new RingVisitor([device]);
    visitor.greet();
    visitor.submit(1);
    visitor.exchange();
    act(visitor);
    visitor.exchange();
    assert.deepEqual(
      visitor.pair.hostEnds.map((end) => end.split(":")[0]),
      [code],
    );
    assert.deepEqual([device.opened, device.closed, device.held.length], [1, 1, 0]);
    assert.deepEqual(visitor.pair.shareEvents, ["attached", "disconnected"]);
    visitor.advance(1000);
    visitor.greet(2);
    assert.equal(device.opened, 2, "the next guest has the device again");
  });
}

test("anything before NEGOTIATE ends the session", () => {
  const visitor = new RingVisitor([new HeldDevice()]);
  visitor.wire.arrive(1);
  visitor.pair.settle();
  visitor.submit(1);
  visitor.exchange();
  assert.match(visitor.pair.hostEnds[0]!, /^BAD_COMMAND: .* before NEGOTIATE/);
});

test("more URBs than the host takes are answered with no resource", () => {
  const device = new HeldDevice();
  const visitor = new RingVisitor([device], { limits: { urbs: 3 } });
  visitor.greet();
  for (let i = 1; i <= 5; i++) visitor.submit(i);
  assert.deepEqual(visitor.exchange().map(completion), [
    [4, -104, 0],
    [5, -104, 0],
  ]);
  device.finish(device.held[0]!);
  visitor.submit(6);
  assert.deepEqual(visitor.exchange().map(completion), [[1, 0, 512]]);
  assert.equal(device.held.length, 3);
});

test("OUT data beyond the limit of copies are answered with no resource, and the next ones are taken", () => {
  const device = new HeldDevice();
  const visitor = new RingVisitor([device], { limits: { bytes: 256 << 10 } });
  visitor.greet();
  for (let i = 1; i <= 3; i++) visitor.submit(i, { direction: 0, length: 128 << 10 });
  assert.deepEqual(visitor.exchange().map(completion), [[3, -104, 0]]);
  for (const urb of device.held.slice()) device.finish(urb);
  visitor.submit(4, { direction: 0, length: 128 << 10 });
  assert.equal(visitor.exchange().length, 2);
  assert.equal(device.held.length, 1);
});

test("isochronous packets count against the same limit", () => {
  const device = new HeldDevice();
  const visitor = new RingVisitor([device], { limits: { bytes: 32 << 10 } });
  visitor.greet();
  const packets = Array.from({ length: 1024 }, (_, i) => [i, 1] as const);
  for (let i = 1; i <= 3; i++) visitor.wire.send(200, i, 1, isoBody(visitor.dataOffset, packets));
  const answers = visitor.exchange();
  assert.deepEqual(
    answers.map(({ transaction, bytes }) => [transaction, bytes.readInt32LE(0x28)]),
    [
      [2, -104],
      [3, -104],
    ],
  );
  device.finish(device.held[0]!);
  visitor.wire.send(200, 4, 1, isoBody(visitor.dataOffset, packets));
  assert.deepEqual(
    visitor.exchange().map(({ transaction }) => transaction),
    [1],
  );
  assert.equal(device.held.length, 1);
});

test("a guest that is faster than the rate is told so, and may go on with time", () => {
  const device = new HeldDevice();
  const visitor = new RingVisitor([device], { limits: { rate: { perSecond: 10, burst: 2 } } });
  visitor.greet();
  for (let i = 1; i <= 3; i++) visitor.submit(i);
  assert.deepEqual(visitor.exchange().map(completion), [[3, -200, 0]]);
  visitor.advance(100);
  visitor.submit(4);
  assert.deepEqual(
    visitor.exchange().filter(({ type }) => type === 101),
    [],
  );
  assert.equal(device.held.length, 3);
});

test("a device that only fails is not asked for a while, and the guest is told when and why", () => {
  const device = new HeldDevice();
  const breaker = {
    hardwareErrors: 100,
    protocolErrors: 100,
    consecutiveErrors: 3,
    windowMs: 60_000,
    cooldownMs: 5_000,
    probes: 1,
  };
  const visitor = new RingVisitor([device], { limits: { breaker } });
  visitor.greet();
  for (let i = 1; i <= 3; i++) {
    visitor.submit(i);
    visitor.pair.settle();
    device.finish(device.held[0]!, TransferStatus.protocol, new Uint8Array(0));
  }
  visitor.submit(4);
  const said = visitor.exchange();
  assert.deepEqual(
    said.map(({ type }) => type),
    [101, 101, 101, 300, 101],
  );
  const { bytes: trip } = said[3]!;
  assert.deepEqual(
    [0x20, 0x24, 0x28].map((at) => trip.readUInt32LE(at)),
    [1, 2, 3],
  );
  assert.deepEqual(completion(said[4]!), [4, -201, 0]);
  visitor.advance(5_000);
  visitor.submit(5);
  visitor.exchange();
  device.finish(device.held[0]!, TransferStatus.stall, new Uint8Array(0));
  assert.deepEqual(
    visitor.exchange().map(({ type, transaction }) => [type, transaction]),
    [
      [101, 5],
      [301, 0],
    ],
  );
});
