import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex, toHex } from "../../test/support/annotated-hex.ts";
import { HeldDevice } from "../../test/support/held-device.ts";
import { DEVID, IMPORT, ServedWire, submit, unlink } from "../../test/support/usbip-wire-client.ts";
import type { BufferPool } from "../usb/device.ts";
import { PacketWord, TransferStatus, TransferType, UrbFlag } from "../usb/urb.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { encodeAliveAnswer, encodeAliveQuestion } from "./alive-mark.ts";
import type { SessionLimits } from "./session-limits.ts";

function imported(
  limits?: SessionLimits,
  takesLentData = false,
  memory?: BufferPool,
): { wire: ServedWire; device: HeldDevice } {
  const device = new HeldDevice(takesLentData);
  device.memory = memory;
  const exported = { busid: "1-2", path: "/held", busnum: 1, devnum: 2, device, attached: false };
  const wire = new ServedWire({ devices: () => [exported], find: () => exported }, limits);
  wire.send(IMPORT);
  wire.received();
  return { wire, device };
}

function code(wire: ServedWire): string {
  return wire.ended instanceof ProtocolError ? wire.ended.code : String(wire.ended);
}

const hex32 = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");

function retSubmit(seqnum: number, status: number, actualLength: number, packets = -1, rest = ""): string {
  const basic = `00000003${hex32(seqnum)}${"00".repeat(12)}`;
  return `${basic}${hex32(status)}${hex32(actualLength)}00000000${hex32(packets)}00000000${"00".repeat(8)}${rest}`;
}

function retUnlink(seqnum: number, status: number): string {
  return `00000004${hex32(seqnum)}${"00".repeat(12)}${hex32(status)}${"00".repeat(24)}`;
}

/** A refusal of two packets of 4 bytes, the second at `offset`. */
const refusedPackets = (seqnum: number, offset: number): string =>
  retSubmit(
    seqnum,
    -22,
    0,
    2,
    [0, offset].map((at) => `${hex32(at)}${hex32(4)}${hex32(0)}${hex32(-18)}`).join(""),
  );

const DATA = annotatedHex("c0ffee01");

test("an OUT transfer carries its payload and is answered without one", () => {
  const { wire, device } = imported();
  wire.send(submit({ seqnum: 7, payload: DATA }));
  const [urb] = device.held;
  assert.equal(urb!.type, TransferType.bulk);
  assert.deepEqual(urb!.buffer.subarray(urb!.offset, urb!.offset + urb!.length), DATA);
  device.finish(urb!);
  assert.equal(wire.received(), retSubmit(7, 0, 4));
});

test("an IN transfer brings the bytes that moved, also with a failure", () => {
  const { wire, device } = imported();
  wire.send(submit({ seqnum: 8, in: true, length: 512 }));
  device.finish(device.held[0]!, TransferStatus.overflow, DATA);
  assert.equal(wire.received(), retSubmit(8, -75, 4, -1, "c0ffee01"));
});

test("number_of_packets is echoed as the client spells it", () => {
  const { wire, device } = imported();
  wire.send(submit({ seqnum: 9, numberOfPackets: 0 }));
  device.finish(device.held[0]!);
  assert.equal(wire.received(), retSubmit(9, 0, 0, 0));
});

test("more than was asked for never leaves, whatever a device reports", () => {
  const { wire, device } = imported();
  wire.send(submit({ seqnum: 1, in: true, length: 4 }));
  device.finish(device.held[0]!, TransferStatus.ok, annotatedHex("0102030405060708"));
  assert.equal(wire.received(), retSubmit(1, 0, 4, -1, "01020304"));
});

test("the setup packet and the flags reach the device", () => {
  const { wire, device } = imported();
  wire.send(submit({ seqnum: 1, in: true, ep: 0, length: 18, flags: 0x201, setup: "8006000100001200" }));
  const [urb] = device.held;
  assert.deepEqual(urb!.setup, annotatedHex("8006000100001200"));
  assert.deepEqual([urb!.endpoint, urb!.type, urb!.flags], [0x80, TransferType.control, 1]);
});

test("a cancelled transfer is answered by RET_UNLINK alone", () => {
  const { wire, device } = imported();
  wire.send(submit({ seqnum: 1, in: true, ep: 2, length: 8 }));
  wire.send(unlink(2, 1));
  assert.equal(device.held.length, 0);
  assert.equal(wire.received(), retUnlink(2, -104));
});

test("a transfer that finished before its cancel is answered by RET_SUBMIT, then RET_UNLINK", () => {
  const { wire, device } = imported();
  device.cancel = () => {};
  wire.send(submit({ seqnum: 1, in: true, ep: 2, length: 8 }));
  wire.send(unlink(2, 1));
  device.finish(device.held[0]!, TransferStatus.ok, DATA);
  assert.equal(wire.received(), retSubmit(1, 0, 4, -1, "c0ffee01") + retUnlink(2, 0));
});

test("an unlink of a finished or forgotten request is answered at once", () => {
  const { wire, device } = imported();
  wire.send(submit({ seqnum: 1, payload: DATA }));
  device.finish(device.held[0]!);
  wire.received();
  wire.send(submit({ seqnum: 2, payload: DATA }));
  wire.send(unlink(3, 1), unlink(4, 0xfffffff0));
  assert.equal(wire.received(), retUnlink(3, 0) + retUnlink(4, 0));
});

test("an unlink that overtook its request is answered with it, and the request is not carried out", () => {
  const { wire, device } = imported();
  wire.send(submit({ seqnum: 1, payload: DATA }), unlink(3, 2));
  assert.equal(wire.received(), "");
  wire.send(submit({ seqnum: 2, payload: DATA }), submit({ seqnum: 4, payload: DATA }));
  assert.deepEqual(
    device.held.map((urb) => urb.length),
    [4, 4],
  );
  assert.equal(wire.received(), retUnlink(3, -104));
});

test("an unlink whose request never comes is answered all the same", () => {
  const { wire } = imported();
  wire.send(submit({ seqnum: 1, payload: DATA }), unlink(3, 2));
  wire.loop.advance(249);
  assert.equal(wire.received(), "");
  wire.loop.advance(1);
  assert.equal(wire.received(), retUnlink(3, 0));
});

test("two unlinks of one request are both answered", () => {
  const { wire, device } = imported();
  device.cancel = () => {};
  wire.send(submit({ seqnum: 1, in: true, ep: 2, length: 8 }), unlink(2, 1), unlink(3, 1));
  device.finish(device.held[0]!, TransferStatus.cancelled, new Uint8Array(0));
  assert.equal(wire.received(), retUnlink(3, 0) + retUnlink(2, -104));
});

test("an endpoint that does not exist stalls, and its payload is consumed", () => {
  const { wire, device } = imported();
  wire.send(
    submit({ seqnum: 1, ep: 9, payload: new Uint8Array(1000) }),
    submit({ seqnum: 2, payload: DATA }),
  );
  assert.equal(device.held.length, 1);
  device.finish(device.held[0]!);
  assert.equal(wire.received(), retSubmit(1, -32, 0) + retSubmit(2, 0, 4));
});

test("isochronous IN data is moved together, descriptors keep their offsets", () => {
  const { wire, device } = imported();
  wire.send(
    submit({
      seqnum: 5,
      in: true,
      ep: 3,
      length: 12,
      packets: [
        [0, 4],
        [4, 4],
        [8, 4],
      ],
    }),
  );
  const [urb] = device.held;
  assert.equal(urb!.type, TransferType.isochronous);
  urb!.buffer.set(annotatedHex("a1a20000 b1000000 c1c2c3c4"), urb!.offset);
  for (const [index, actual] of [2, 1, 4].entries()) {
    urb!.packets[index * 4 + PacketWord.actualLength] = actual;
    urb!.packets[index * 4 + PacketWord.status] = TransferStatus.ok;
  }
  device.finish(urb!);
  const packets = [
    [0, 2],
    [4, 1],
    [8, 4],
  ].map(([offset, actual]) => hex32(offset!) + hex32(4) + hex32(actual!) + hex32(0));
  assert.equal(wire.received(), retSubmit(5, 0, 7, 3, `a1a2b1c1c2c3c4${packets.join("")}`));
});

test("isochronous OUT is answered with descriptors and no data", () => {
  const { wire, device } = imported();
  wire.send(
    submit({
      seqnum: 5,
      ep: 3,
      payload: annotatedHex("010203040506"),
      packets: [
        [0, 2],
        [2, 4],
      ],
    }),
  );
  const [urb] = device.held;
  urb!.packets.set([0, 2, 2, 0, 2, 4, 4, 0]);
  device.finish(urb!);
  const rest = `${hex32(0)}${hex32(2)}${hex32(2)}${hex32(0)}${hex32(2)}${hex32(4)}${hex32(4)}${hex32(0)}`;
  assert.equal(wire.received(), retSubmit(5, 0, 6, 2, rest));
});

test("packets outside the transfer, or on one another, are refused as invalid", () => {
  const { wire, device } = imported();
  wire.send(
    submit({
      seqnum: 1,
      in: true,
      ep: 3,
      length: 8,
      packets: [
        [0, 4],
        [6, 4],
      ],
    }),
  );
  wire.send(
    submit({
      seqnum: 2,
      in: true,
      ep: 3,
      length: 8,
      packets: [
        [0, 4],
        [2, 4],
      ],
    }),
  );
  assert.equal(device.held.length, 0);
  assert.equal(wire.received(), refusedPackets(1, 6) + refusedPackets(2, 2));
});

test("packets on an endpoint that is not isochronous are refused, and the stream goes on", () => {
  const { wire, device } = imported();
  wire.send(submit({ seqnum: 1, payload: DATA, packets: [[0, 4]] }), submit({ seqnum: 2, payload: DATA }));
  assert.equal(device.held.length, 1);
  assert.ok(wire.received().startsWith(retSubmit(1, -22, 0, 1)));
});

test("a data stage against the setup packet's direction is refused", () => {
  const { wire, device } = imported();
  wire.send(submit({ seqnum: 1, in: true, ep: 0, length: 8, setup: "0009010000000800" }));
  assert.equal(device.held.length, 0);
  assert.equal(wire.received(), retSubmit(1, -22, 0));
});

test("PORT_RESET resets the device; its unlink does not wait for the end", () => {
  const { wire, device } = imported();
  wire.send(submit({ seqnum: 1, ep: 0, setup: "2303040001000000" }));
  assert.equal(device.resets.length, 1);
  device.resets[0]!(TransferStatus.ok);
  assert.equal(wire.received(), retSubmit(1, 0, 0));
  wire.send(submit({ seqnum: 2, ep: 0, setup: "2303040001000000" }), unlink(3, 2));
  assert.equal(wire.received(), retUnlink(3, -104));
  device.resets[1]!(TransferStatus.ok);
  assert.equal(wire.received(), "");
});

test("the seqnum of a reset that was unlinked may be used again while the reset runs", () => {
  const { wire, device } = imported();
  const reset = submit({ seqnum: 1, ep: 0, setup: "23 03 0400 0000 0000" });
  const next = submit({ seqnum: 1, in: true, ep: 0, length: 18, setup: "80 06 0001 0000 1200" });
  wire.send(reset, unlink(2, 1), next);
  device.resets[0]!(TransferStatus.ok);
  wire.send(unlink(3, 1));
  assert.equal(wire.received(), retUnlink(2, -104) + retUnlink(3, -104));
});

test("beyond the limit of URBs or of memory a submit is answered with no memory, its payload consumed", () => {
  const { wire, device } = imported({ urbs: 2, bytes: 4096, looseBytes: 1 << 20 });
  wire.send(
    submit({ seqnum: 1, payload: new Uint8Array(3000) }),
    submit({ seqnum: 2, payload: new Uint8Array(3000) }),
  );
  wire.send(submit({ seqnum: 3, in: true, length: 0 }));
  assert.equal(device.held.length, 1);
  assert.equal(wire.received(), retSubmit(2, -12, 0) + retSubmit(3, -12, 0));
});

test("memory counts until the reply has left", () => {
  const { wire, device } = imported({ urbs: 1, bytes: 4096, looseBytes: 1 << 20 });
  wire.reading = false;
  wire.send(submit({ seqnum: 1, payload: DATA }));
  device.finish(device.held[0]!);
  wire.loop.settle();
  wire.send(submit({ seqnum: 2, payload: DATA }));
  assert.equal(device.held.length, 0);
  wire.read();
  wire.send(submit({ seqnum: 3, payload: DATA }));
  assert.equal(device.held.length, 1);
});

test("unlinks without end by a peer that does not read end with PEER_NOT_READING", () => {
  const { wire } = imported({ urbs: 1, bytes: 4096, looseBytes: 10_000 });
  wire.reading = false;
  for (let i = 0; i < 1000 && wire.ended === undefined; i++) wire.send(unlink(i, 5));
  assert.equal(code(wire), "PEER_NOT_READING");
});

for (const [what, message, expected] of [
  ["another devid", submit({ seqnum: 1, devid: 0x00010003 }), "BAD_DEVICE"],
  ["a negative length", submit({ seqnum: 1, length: -1 }), "BAD_LENGTH"],
  ["a giant length", submit({ seqnum: 1, in: true, length: (16 << 20) + 1 }), "BAD_LENGTH"],
  ["too many packets", submit({ seqnum: 1, in: true, ep: 3, numberOfPackets: 1025 }), "BAD_LENGTH"],
  ["an endpoint number above 15", submit({ seqnum: 1, ep: 16 }), "BAD_FIELD"],
  ["a reply as command", annotatedHex(`00000003 ${"00".repeat(44)}`), "BAD_COMMAND"],
] as const) {
  test(`${what} ends the session with ${expected}`, () => {
    const { wire } = imported();
    wire.send(message);
    assert.equal(code(wire), expected);
  });
}

test("a seqnum that is in flight cannot be used again", () => {
  const { wire } = imported();
  wire.send(submit({ seqnum: 1, payload: DATA }), submit({ seqnum: 1, payload: DATA }));
  assert.equal(code(wire), "DUPLICATE_SEQNUM");
});

test("an unplugged device ends the session after its last answers", () => {
  const { wire, device } = imported();
  wire.send(submit({ seqnum: 1, in: true, ep: 2, length: 8 }));
  device.unplug();
  assert.equal(wire.received(), retSubmit(1, -108, 0));
  assert.equal(code(wire), "unplugged");
});

test("a lost connection closes the device, and late completions reach nobody", () => {
  const { wire, device } = imported();
  wire.send(submit({ seqnum: 1, in: true, ep: 2, length: 8 }));
  let closed = false;
  wire.server.disconnected(() => {
    closed = true;
  });
  assert.ok(closed);
  assert.equal(device.held.length, 0);
  assert.equal(wire.received(), "");
});

test("a client that reads may unlink as much as it likes", () => {
  const { wire } = imported({ urbs: 1, bytes: 4096, looseBytes: 10_000 });
  wire.send(submit({ seqnum: 1000, payload: DATA }));
  for (let i = 0; i < 1000; i++) wire.send(unlink(2000 + i, 5));
  assert.equal(wire.ended, undefined);
});

test("a refusal takes no memory, whatever length it refuses", () => {
  const { wire } = imported({ urbs: 1, bytes: 4096, looseBytes: 1 << 20 });
  wire.send(submit({ seqnum: 1, in: true, ep: 9, length: 16 << 20 }));
  wire.send(submit({ seqnum: 2, in: true, ep: 0, length: 16 << 20, setup: "0009010000000000" }));
  assert.equal(wire.received(), retSubmit(1, -32, 0) + retSubmit(2, -22, 0));
});

test("a device that takes lent data gets it where it arrived, and finds it again when it is late", () => {
  const { wire, device } = imported(undefined, true);
  wire.send(submit({ seqnum: 7, payload: DATA }));
  const [urb] = device.held;
  assert.deepEqual(device.payloads[0], DATA);
  assert.deepEqual(urb!.buffer.subarray(urb!.offset, urb!.offset + urb!.length), DATA);
  device.finish(urb!);
  assert.equal(wire.received(), retSubmit(7, 0, 4));
});

/** Memory for one large read. */
class OnePiece implements BufferPool {
  readonly piece = new Uint8Array(32 << 10);
  isTaken = false;

  take(length: number): Uint8Array | undefined {
    if (this.isTaken || length < 16 << 10 || length > this.piece.length) return undefined;
    this.isTaken = true;
    return this.piece;
  }

  give(buffer: Uint8Array): void {
    assert.equal(buffer, this.piece);
    this.isTaken = false;
  }
}

test("a large read comes into memory of the device, which has it back when the answer has left", () => {
  const memory = new OnePiece();
  const { wire, device } = imported(undefined, true, memory);
  const [third, fourth] = [3, 4].map((seqnum) => submit({ seqnum, in: true, length: 16 << 10 }));
  wire.send(
    submit({ seqnum: 1, payload: new Uint8Array(20_000) }),
    submit({ seqnum: 2, in: true, length: 512 }),
  );
  assert(!memory.isTaken, "neither writes nor small reads take it");
  wire.send(third!, fourth!);
  const [, , first, second] = device.held;
  assert.equal(first!.buffer, memory.piece);
  assert.notEqual(second!.buffer, memory.piece, "there is no second one");
  wire.reading = false;
  device.finish(first!, TransferStatus.ok, DATA);
  device.finish(second!, TransferStatus.ok, DATA);
  assert.equal(wire.received(), retSubmit(3, 0, 4, -1, "c0ffee01") + retSubmit(4, 0, 4, -1, "c0ffee01"));
  // The device is open again, for somebody else, while the answer is still on its way.
  device.memory = new OnePiece();
  assert(memory.isTaken);
  wire.read();
  assert(!memory.isTaken);
});

test("lent data counts against the limit, with the answer to it", () => {
  const { wire, device } = imported({ urbs: 8, bytes: 4096, looseBytes: 1 << 20 }, true);
  wire.send(submit({ seqnum: 1, payload: new Uint8Array(4096) }));
  assert.equal(wire.received(), retSubmit(1, -12, 0));
  wire.send(submit({ seqnum: 2, payload: new Uint8Array(1024) }));
  wire.send(submit({ seqnum: 3, payload: new Uint8Array(4096) }));
  assert.equal(wire.received(), retSubmit(3, -12, 0));
  device.finish(device.held[0]!);
  assert.equal(wire.received(), retSubmit(2, 0, 1024));
  const figures = wire.counters!.read();
  assert.deepEqual([figures.urbs, figures.inFlight, figures.errors], [3, 0, { noMemory: 2 }]);
  wire.send(submit({ seqnum: 1, payload: DATA }));
  device.finish(device.held[0]!);
  assert.equal(wire.received(), retSubmit(1, 0, 4));
});

test("a payload in pieces is put together", () => {
  const { wire, device } = imported(undefined, true);
  const bytes = submit({ seqnum: 7, payload: DATA });
  wire.send(bytes.subarray(0, 50));
  wire.send(bytes.subarray(50));
  assert.deepEqual(device.payloads[0], DATA);
  assert.equal(device.held.length, 1);
});

test("small answers of one batch leave in one chunk, large ones in their own, in order", () => {
  const { wire, device } = imported();
  wire.send(submit({ seqnum: 1, in: true, length: 8192 }), submit({ seqnum: 2 }), submit({ seqnum: 3 }));
  const large = new Uint8Array(8192).fill(0xab);
  const [read, write, another] = device.held.slice();
  device.finish(write!);
  device.finish(read!, TransferStatus.ok, large);
  device.finish(another!);
  const [first, second, third] = [retSubmit(2, 0, 0), retSubmit(1, 0, 8192), retSubmit(3, 0, 0)];
  assert.equal(wire.received(), `${first}${second}${"ab".repeat(8192)}${third}`);
  assert.deepEqual(wire.lastChunks, [48, 48 + 8192, 48]);
});

test("IN data that the device lends leaves from where it stands, and no more than there is", () => {
  const { wire, device } = imported();
  wire.send(
    submit({ seqnum: 1, in: true, length: 8192 }),
    submit({ seqnum: 2, in: true, length: 8192 }),
    submit({ seqnum: 3, in: true, length: 8191 }),
    submit({ seqnum: 4, payload: new Uint8Array(8192) }),
  );
  const mayLend = device.held.map(({ flags }) => (flags & UrbFlag.mayLend) !== 0);
  assert.deepEqual(mayLend, [true, true, false, false]);
  const [whole, short, small, out] = device.held.slice();
  const lent = Uint8Array.from({ length: 8292 }, (_, i) => i % 251);
  for (const [urb, bytes] of [
    [whole!, lent],
    [short!, lent.subarray(0, 103)],
  ] as const) {
    urb.buffer = bytes;
    urb.offset = 100;
    device.finish(urb);
  }
  device.finish(small!, TransferStatus.ok, DATA);
  device.finish(out!);
  const expected = [
    retSubmit(1, 0, 8192, -1, toHex(lent.subarray(100))),
    retSubmit(2, 0, 3, -1, toHex(lent.subarray(100, 103))),
    retSubmit(3, 0, 4, -1, "c0ffee01"),
    retSubmit(4, 0, 8192),
  ];
  assert.equal(wire.received(), expected.join(""));
  assert.deepEqual(wire.lastChunks, [48, 8192, 48, 3, 48 + 4, 48]);
  // The memory of the session is what it was.
  wire.send(submit({ seqnum: 5, in: true, length: 8192 }));
  device.finish(device.held[0]!, TransferStatus.ok, DATA);
  assert.equal(wire.received(), retSubmit(5, 0, 4, -1, "c0ffee01"));
});

test("short answers of one batch are moved together, whatever waits between them", () => {
  const { wire, device } = imported();
  wire.send(...[1, 2, 3, 4].map((seqnum) => submit({ seqnum, in: true, length: 512 })));
  const [one, two, waits, four] = device.held.slice();
  device.finish(one!, TransferStatus.ok, DATA);
  device.finish(two!, TransferStatus.ok, DATA.subarray(0, 2));
  device.finish(four!, TransferStatus.ok, DATA);
  const answers = [
    `${retSubmit(1, 0, 4)}c0ffee01`,
    `${retSubmit(2, 0, 2)}c0ff`,
    `${retSubmit(4, 0, 4)}c0ffee01`,
  ];
  assert.equal(wire.received(), answers.join(""));
  assert.deepEqual(wire.lastChunks, [48 + 4 + 48 + 2, 48 + 4]);
  device.finish(waits!, TransferStatus.ok, DATA);
  assert.equal(wire.received(), `${retSubmit(3, 0, 4)}c0ffee01`);
});

test("every answer is counted once, with the bytes that moved and the time it took", () => {
  const { wire, device } = imported();
  wire.send(submit({ seqnum: 1, in: true, length: 512 }), submit({ seqnum: 2, payload: DATA }));
  wire.send(submit({ seqnum: 3, in: true, length: 8 }), submit({ seqnum: 4, ep: 9 }));
  wire.send(unlink(5, 3));
  wire.loop.advance(3);
  device.finish(device.held[0]!, TransferStatus.overflow, DATA);
  device.finish(device.held[0]!);
  wire.send(submit({ seqnum: 6, in: true, length: 8 }));
  const read = wire.counters!.read().endpoints.find(({ address }) => address === 0x81)!;
  const { latency, histogram, tookUs, ...rest } = read;
  assert.deepEqual(rest, { address: 0x81, urbs: 2, bytes: 4, errors: { overflow: 1, cancelled: 1 } });
  assert.deepEqual([latency.p50Us, latency.p99Us, tookUs], [1 / 16, 3_072, 3_000]);
  assert.deepEqual([histogram.length - 1, histogram.at(-1)], [12, 1]);
  const { endpoints: _, latency: __, ...figures } = wire.counters!.read();
  const errors = { overflow: 1, cancelled: 1, stall: 1 };
  assert.deepEqual(figures, { urbs: 4, inFlight: 1, bytesIn: 4, bytesOut: 4, errors });
});

test("a client that asks for signs of life gets them at once, and is dead when it asks no more", () => {
  const { wire, device } = imported();
  for (let asked = 0; asked < 12; asked++) {
    wire.send(encodeAliveQuestion(7 + asked, DEVID));
    assert.equal(wire.received(), toHex(encodeAliveAnswer(7 + asked)));
    wire.loop.advance(5_000);
  }
  wire.send(submit({ seqnum: 100, in: true, length: 8 }));
  wire.loop.advance(12_499);
  assert.equal(wire.ended, undefined);
  wire.loop.advance(1);
  assert.equal(code(wire), "PEER_SILENT");
  assert.equal(device.held.length, 1);
  assert.equal(wire.loop.timers, 0);
});

test("a client that never asks may be silent for ever, and its cancels are none", () => {
  const { wire } = imported();
  wire.send(unlink(7, 0));
  wire.loop.advance(600_000);
  assert.equal(wire.received(), retUnlink(7, 0));
  assert.deepEqual([wire.ended, wire.loop.timers], [undefined, 0]);
});
