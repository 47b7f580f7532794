import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "../../test/support/annotated-hex.ts";
import { HeldDevice } from "../../test/support/held-device.ts";
import { ImportedWire, RECORD, retSubmit, retUnlink } from "../../test/support/usbip-wire-server.ts";
import { PacketWord, TransferStatus } from "../usb/urb.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { encodeAliveAnswer, encodeAliveQuestion } from "./alive-mark.ts";
import { ImportedDevice } from "./imported-device.ts";

const { ok, cancelled, disconnected } = TransferStatus;
const DATA = Uint8Array.of(1, 2, 3, 4);
const bulkIn = (wire: ImportedWire) => wire.submit(0x81, 8);
const isoIn = (wire: ImportedWire) =>
  wire.submit(0x83, 300, [
    [0, 100],
    [100, 100],
    [200, 100],
  ]);

test("the descriptors are those that the host's device tells", () => {
  assert.deepEqual(new ImportedWire().device.descriptors, new HeldDevice().descriptors);
});

test("CMD_SUBMIT has the kernel's layout", () => {
  const wire = new ImportedWire();
  const urb = wire.submit(0x01, 4);
  assert.equal(
    toHex(wire.commands[0]!.subarray(8)),
    [
      "00010002 00000000 00000001", // devid, OUT, ep
      "00000000 00000004 00000000 00000000 00000000 0000000000000000", // flags, length, frame, packets, interval
      "bbbbbbbb",
    ]
      .join("")
      .replaceAll(" ", ""),
  );
  wire.cancel(urb);
  assert.equal(
    toHex(wire.commands[1]!),
    `00000002${hex(wire.seqnum)}00010002${"0".repeat(16)}${hex(wire.seqnum - 1)}${"0".repeat(48)}`,
  );
});

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}

test("a reply brings status and bytes, cut anywhere", () => {
  const wire = new ImportedWire();
  const urb = bulkIn(wire);
  for (const byte of retSubmit(wire.seqnum, { data: DATA, status: -32 })) wire.reply(Uint8Array.of(byte));
  assert.deepEqual(wire.completions, [[0, TransferStatus.stall, 4]]);
  assert.deepEqual(urb.buffer.subarray(0, 5), Uint8Array.of(1, 2, 3, 4, 0xbb));
});

test("isochronous data goes to the place of its packet", () => {
  const wire = new ImportedWire();
  const urb = isoIn(wire);
  const data = Uint8Array.of(1, 1, 3, 3, 3);
  const packets = [
    [0, 100, 2, 0],
    [100, 100, 0, -18],
    [200, 100, 3, 0],
  ] as const;
  wire.reply(retSubmit(wire.seqnum, { data, packets, errorCount: 1 }));
  assert.deepEqual(wire.completions, [[0, ok, 5]]);
  assert.deepEqual([urb.buffer[1], urb.buffer[200], urb.buffer[202], urb.buffer[203]], [1, 3, 3, 0xbb]);
  assert.equal(urb.packets[4 + PacketWord.status], TransferStatus.notDone);
});

/** What a host may not say, after one request: 8 bytes of bulk IN or OUT, or 3 isochronous packets of 100. */
const three = (change: Partial<Record<number, readonly [number, number, number, number]>> = {}) =>
  [0, 1, 2].map((i) => change[i] ?? ([i * 100, 100, 0, 0] as const));
const bad: readonly (readonly [
  what: string,
  code: string,
  ask: (wire: ImportedWire) => unknown,
  answer: (seqnum: number) => Uint8Array,
])[] = [
  ["an unknown command", "BAD_COMMAND", bulkIn, () => new Uint8Array(48).fill(0xee)],
  ["a command of a client", "BAD_COMMAND", bulkIn, () => Uint8Array.of(0, 0, 0, 1, ...new Uint8Array(44))],
  ["RET_SUBMIT for no request", "UNKNOWN_SEQNUM", bulkIn, (n) => retSubmit(n + 1)],
  ["RET_UNLINK for no cancel", "UNKNOWN_SEQNUM", bulkIn, (n) => retUnlink(n, -104)],
  ["a reply sent twice", "UNKNOWN_SEQNUM", bulkIn, (n) => Buffer.concat([retSubmit(n), retSubmit(n)])],
  ["more than was asked for", "BAD_LENGTH", bulkIn, (n) => retSubmit(n, { actualLength: 9 })],
  ["a negative length", "BAD_LENGTH", bulkIn, (n) => retSubmit(n, { actualLength: -1 })],
  ["more taken than sent", "BAD_LENGTH", (w) => w.submit(1, 8), (n) => retSubmit(n, { actualLength: 9 })],
  ["a status above 0", "BAD_FIELD", bulkIn, (n) => retSubmit(n, { status: 5 })],
  ["packets of a bulk transfer", "BAD_LENGTH", bulkIn, (n) => retSubmit(n, { packets: three() })],
  ["errors without packets", "BAD_FIELD", bulkIn, (n) => retSubmit(n, { errorCount: 1 })],
  ["no packets", "BAD_LENGTH", isoIn, (n) => retSubmit(n)],
  ["packets that are -1", "BAD_LENGTH", isoIn, (n) => retSubmit(n, { numberOfPackets: -1 })],
  ["a packet too few", "BAD_LENGTH", isoIn, (n) => retSubmit(n, { packets: three().slice(1) })],
  [
    "a packet too many",
    "BAD_LENGTH",
    isoIn,
    (n) => retSubmit(n, { packets: [...three(), [300, 100, 0, 0]] }),
  ],
  ["a wrong sum", "BAD_LENGTH", isoIn, (n) => retSubmit(n, { data: DATA, packets: three() })],
  [
    "a packet longer than asked for",
    "BAD_LENGTH",
    isoIn,
    (n) => retSubmit(n, { data: new Uint8Array(101), packets: three({ 0: [0, 100, 101, 0] }) }),
  ],
  ["a packet elsewhere", "BAD_FIELD", isoIn, (n) => retSubmit(n, { packets: three({ 1: [99, 100, 0, 0] }) })],
  [
    "another packet length",
    "BAD_FIELD",
    isoIn,
    (n) => retSubmit(n, { packets: three({ 1: [100, 101, 0, 0] }) }),
  ],
  [
    "a packet status above 0",
    "BAD_FIELD",
    isoIn,
    (n) => retSubmit(n, { packets: three({ 2: [200, 100, 0, 1] }) }),
  ],
  ["more errors than packets", "BAD_FIELD", isoIn, (n) => retSubmit(n, { errorCount: 4, packets: three() })],
];

for (const [what, code, ask, answer] of bad) {
  test(`${what}: ends the session as ${code}, and nothing reaches a URB`, () => {
    const wire = new ImportedWire();
    ask(wire);
    wire.reply(answer(wire.seqnum));
    assert.equal(wire.ended?.code, code);
    if (what === "a reply sent twice") assert.deepEqual(wire.completions, [[0, ok, 0]]);
    else assert.deepEqual(wire.completions, [[0, disconnected, 0]]);
    wire.device.disconnected();
    wire.reply(retSubmit(wire.seqnum));
    assert.equal(wire.unplugs, 1);
    assert.equal(wire.completions.length, 1);
  });
}

test("a cancel that the host carries out", () => {
  const wire = new ImportedWire();
  wire.cancel(bulkIn(wire));
  wire.reply(retUnlink(wire.seqnum, -104));
  assert.deepEqual(wire.completions, [[0, cancelled, 0]]);
  assert.equal(wire.loop.timers, 1, "only the look at unanswered cancels");
  wire.loop.advance(10_000);
  assert.equal(wire.commands.length, 2, "no nudge");
});

test("a request that finished before its cancel keeps its result", () => {
  const wire = new ImportedWire();
  wire.cancel(bulkIn(wire));
  wire.reply(retSubmit(wire.seqnum - 1, { data: DATA }), retUnlink(wire.seqnum, 0));
  assert.deepEqual(wire.completions, [[0, ok, 4]]);
  assert.equal(wire.ended, undefined);
});

test("a request that is answered after its cancel was is an error", () => {
  const wire = new ImportedWire();
  wire.cancel(bulkIn(wire));
  wire.reply(retUnlink(wire.seqnum, -104), retSubmit(wire.seqnum - 1));
  assert.equal(wire.ended?.code, "UNKNOWN_SEQNUM");
  assert.equal(wire.completions.length, 1);
});

test("a host that does not answer a cancel is nudged once, and after a second not waited for", () => {
  const wire = new ImportedWire();
  const urb = bulkIn(wire);
  const { seqnum } = wire;
  wire.cancel(urb);
  const unlinkSeqnum = wire.seqnum;
  wire.loop.advance(200);
  assert.equal(wire.commands.length, 3);
  assert.equal(toHex(wire.commands[2]!.subarray(40)), "8000000000000200", "GET_STATUS");
  const nudge = wire.seqnum;
  wire.loop.advance(799);
  assert.deepEqual(wire.completions, [[0, cancelled, 0]]);
  assert.equal(wire.commands.length, 3);

  urb.buffer.fill(0xcc);
  wire.reply(
    retSubmit(seqnum, { data: DATA }),
    retUnlink(unlinkSeqnum, 0),
    retSubmit(nudge, { data: DATA.subarray(2) }),
  );
  assert.deepEqual(urb.buffer, new Uint8Array(8).fill(0xcc), "the late data is dropped");
  assert.equal(wire.completions.length, 1);
  assert.equal(wire.ended, undefined);
});

test("a URB given back in the middle of its reply gets no more of it", () => {
  const wire = new ImportedWire();
  const urb = bulkIn(wire);
  const reply = retSubmit(wire.seqnum, { data: DATA });
  wire.cancel(urb);
  wire.reply(reply.subarray(0, 50));
  wire.loop.advance(1_000);
  assert.deepEqual(wire.completions, [[0, cancelled, 0]]);
  urb.buffer.fill(0xcc);
  wire.reply(reply.subarray(50));
  assert.deepEqual(urb.buffer, new Uint8Array(8).fill(0xcc));
  assert.equal(wire.ended, undefined);
});

test("a host that never answers is remembered for so much and no more", () => {
  const wire = new ImportedWire({ urbs: 8, bytes: 1 << 20, looseBytes: 1 << 20 });
  for (let round = 0; round < 4 && wire.ended === undefined; round++) {
    const urbs = Array.from({ length: 6 }, () => bulkIn(wire));
    for (const urb of urbs) wire.cancel(urb);
    wire.loop.advance(1_000);
  }
  assert.equal(wire.ended?.code, "PEER_SILENT");
  assert.equal(wire.unplugs, 1);
  assert.deepEqual(new Set(wire.completions.map(([, status]) => status)), new Set([cancelled, disconnected]));
});

test("a URB beyond the limits of the session is answered with no memory, and one beyond the wire's is invalid", () => {
  const wire = new ImportedWire({ urbs: 2, bytes: 1 << 10, looseBytes: 1 << 20 });
  wire.submit(0x01, 2000);
  wire.submit(0x81, (16 << 20) + 1);
  wire.loop.settle();
  const { noMemory, invalid } = TransferStatus;
  assert.deepEqual(wire.completions, [
    [0, noMemory, 0],
    [1, invalid, 0],
  ]);
  for (let i = 0; i < 3; i++) bulkIn(wire);
  wire.loop.settle();
  assert.deepEqual(wire.completions.at(-1), [4, noMemory, 0]);
});

test("a host that goes silent after the import does not describe its device for ever", () => {
  const wire = new ImportedWire();
  const output = { write: () => {}, end: () => {} };
  const device = ImportedDevice.of(RECORD, wire.loop, output) as ImportedDevice;
  let failed: ProtocolError | undefined;
  device.describe((error) => {
    failed = error;
  });
  wire.loop.advance(6_000);
  assert.equal(failed?.code, "TRUNCATED");
});

test("a host that answers signs of life is dead when it does not any more", () => {
  const wire = new ImportedWire();
  wire.device.watchSilence();
  const urb = bulkIn(wire);
  wire.loop.advance(2_499);
  assert.equal(wire.commands.length, 1);
  wire.loop.advance(1);
  assert.deepEqual(wire.commands.at(-1), encodeAliveQuestion(wire.seqnum, 0x00010002));
  wire.reply(encodeAliveAnswer(wire.seqnum));
  for (let asked = 0; asked < 12; asked++) {
    wire.loop.advance(5_000);
    wire.reply(encodeAliveAnswer(wire.seqnum));
  }
  assert.deepEqual([wire.commands.length, wire.ended], [14, undefined], "one question every 5 s");
  wire.loop.advance(9_999);
  assert.equal(wire.unplugs, 0);
  wire.loop.advance(1);
  assert.equal(wire.ended?.code, "PEER_SILENT");
  assert.deepEqual([wire.unplugs, wire.completions], [1, [[urb.tag, disconnected, 0]]]);
});

test("a host is asked again while it answers other requests, and those count as signs of life", () => {
  const wire = new ImportedWire();
  wire.device.watchSilence();
  wire.loop.advance(2_500);
  wire.reply(encodeAliveAnswer(wire.seqnum));
  for (let second = 0; second < 60; second++) {
    bulkIn(wire);
    wire.reply(retSubmit(wire.seqnum));
    wire.loop.advance(1_000);
  }
  assert.equal(wire.commands.length, 61, "there was no need to ask");
  for (let second = 0; second < 10; second++) {
    bulkIn(wire);
    wire.loop.advance(1_000);
  }
  assert.equal(wire.ended?.code, "PEER_SILENT", "requests of ours are none");
});

test("a host that does not know the question is asked once, and may be silent for ever", () => {
  for (const isAnswered of [true, false]) {
    const wire = new ImportedWire();
    wire.device.watchSilence();
    wire.loop.advance(2_500);
    assert.equal(wire.commands.length, 1);
    if (isAnswered) wire.reply(retUnlink(wire.seqnum, 0));
    wire.loop.advance(600_000);
    assert.deepEqual([wire.commands.length, wire.ended], [1, undefined]);
    // The kernel's server answers when it has something else to say.
    bulkIn(wire);
    if (!isAnswered) wire.reply(retUnlink(wire.seqnum - 1, 0));
    wire.reply(retSubmit(wire.seqnum, { data: DATA }));
    assert.deepEqual(wire.completions, [[0, ok, 4]]);
    wire.device.disconnected();
    assert.equal(wire.loop.timers, 0);
  }
});

test("speeds that no kernel takes are refused", () => {
  const wire = new ImportedWire();
  for (const speed of [0, 4, 7, 0xffffffff]) {
    const device = ImportedDevice.of({ ...RECORD, speed }, wire.loop, { write: () => {}, end: () => {} });
    assert(device instanceof ProtocolError);
    assert.equal(device.code, "BAD_FIELD");
  }
});
