import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex, toHex } from "../../test/support/annotated-hex.ts";
import { DeviceEventsRequest, type HostMessage } from "./device-events.ts";
import type { PushedDevice } from "./event-pdu.ts";

const REPLY = annotatedHex(`
  0111      version
  0e01      OP_REP_EVENTS
  00000000  status
  0001      events_version
  000a      alive_seconds
`);

const DEVICE_BODY = `
  2f68656c64000000 ${"00".repeat(248)}                                  path
  312d320000000000 0000000000000000 0000000000000000 0000000000000000  busid
  01020304  busnum
  05060708  devnum
  00000003  speed
  1209      idVendor
  0a0b      idProduct
  0100      bcdDevice
  ef        bDeviceClass
  02        bDeviceSubClass
  01        bDeviceProtocol
  03        bConfigurationValue
  04        bNumConfigurations
  02        bNumInterfaces
  01        state
  02        serial_units
  0003      descriptors_length
  02020100  interface
  0a000000  interface
  0041 20ac  serial number
  a1a2a3    descriptors
`;

const PRESENT = annotatedHex(`
  0001      kind
  014b      length
  00000001  sequence
  ${DEVICE_BODY}
`);
const SNAPSHOT_END = annotatedHex(`
  0002      kind
  0000      length
  00000002  sequence
`);
const CHANGED = annotatedHex(`
  0004      kind
  014b      length
  00000003  sequence
  ${DEVICE_BODY}
`);
const ALIVE = annotatedHex("0006 0000 00000004");
const REMOVED = annotatedHex(`
  0005      kind
  0020      length
  00000005  sequence
  312d320000000000 0000000000000000 0000000000000000 0000000000000000  busid
`);
const LATER_KIND = annotatedHex("0bad 0002 00000006 ffff");
const ADDED = annotatedHex(`
  0003      kind
  014b      length
  00000007  sequence
  ${DEVICE_BODY}
`);

const DEVICE: PushedDevice = {
  path: "/held",
  busid: "1-2",
  busnum: 0x01020304,
  devnum: 0x05060708,
  speed: 3,
  idVendor: 0x1209,
  idProduct: 0x0a0b,
  bcdDevice: 0x100,
  bDeviceClass: 0xef,
  bDeviceSubClass: 2,
  bDeviceProtocol: 1,
  bConfigurationValue: 3,
  bNumConfigurations: 4,
  bNumInterfaces: 2,
  interfaces: [
    { bInterfaceClass: 2, bInterfaceSubClass: 2, bInterfaceProtocol: 1, padding: 0 },
    { bInterfaceClass: 10, bInterfaceSubClass: 0, bInterfaceProtocol: 0, padding: 0 },
  ],
  isFree: false,
  serial: "A€",
  descriptors: Uint8Array.of(0xa1, 0xa2, 0xa3),
};

const STREAM = [REPLY, PRESENT, SNAPSHOT_END, CHANGED, ALIVE, REMOVED, LATER_KIND, ADDED];
const MESSAGES: readonly HostMessage[] = [
  { kind: "accepted", aliveSeconds: 10 },
  { kind: "present", device: DEVICE },
  { kind: "snapshot-end" },
  { kind: "changed", device: DEVICE },
  { kind: "alive" },
  { kind: "removed", busid: "1-2" },
  { kind: "added", device: DEVICE },
];

function hear(...pieces: readonly Uint8Array[]): HostMessage[] {
  const messages: HostMessage[] = [];
  const request = new DeviceEventsRequest((message) => messages.push(message));
  for (const piece of pieces) {
    const lent = Uint8Array.from(piece);
    request.receive(lent);
    lent.fill(0xdd);
  }
  return messages;
}

/** How a conversation ends in which `bytes` stand in the place of message `at` and what follows. */
function code(at: number, ...bytes: readonly Uint8Array[]): string {
  const last = hear(...STREAM.slice(0, at), ...bytes).at(-1);
  return last?.kind === "failed" ? last.error.code : String(last?.kind);
}

function changed(message: Uint8Array, at: number, ...bytes: readonly number[]): Uint8Array {
  return message.map((byte, i) => bytes[i - at] ?? byte);
}

test("the request has the layout of the document", () => {
  assert.equal(
    toHex(new DeviceEventsRequest(() => {}).request),
    toHex(
      annotatedHex(`
        0111      version
        8e01      OP_REQ_EVENTS
        00000000  status
        00000001  events_version
      `),
    ),
  );
});

test("a conversation cut at any byte is told whole, and each message as soon as it is there", () => {
  const whole = Buffer.concat(STREAM);
  const ends = STREAM.map((_, i) => Buffer.concat(STREAM.slice(0, i + 1)).length);
  const told = (bytes: number): number =>
    ends.filter((end, i) => end <= bytes && STREAM[i] !== LATER_KIND).length;
  for (let at = 0; at <= whole.length; at++) {
    assert.equal(hear(whole.subarray(0, at)).length, told(at), `at ${at}`);
    assert.deepEqual(hear(whole.subarray(0, at), whole.subarray(at)), MESSAGES);
  }
  assert.deepEqual(hear(...Array.from(whole, (byte) => Uint8Array.of(byte))), MESSAGES);
});

test("a host that speaks no events of this version is told from one that breaks the protocol", () => {
  assert.deepEqual(hear(annotatedHex("0111 0e01 00000001 ffff")), [{ kind: "refused", status: 1 }]);
  assert.equal(code(0, annotatedHex("0110 0e01 00000000 0001 000a")), "BAD_VERSION");
  assert.equal(code(0, annotatedHex("0111 0005 00000000 00000000")), "BAD_COMMAND");
  assert.equal(code(0, changed(REPLY, 8, 0, 2)), "BAD_VERSION");
  assert.equal(code(0, changed(REPLY, 10, 0, 0)), "BAD_FIELD");
  assert.equal(code(0, changed(REPLY, 10, 2, 0)), "BAD_FIELD");
});

test("an event that is lost, repeated or too long ends the conversation", () => {
  assert.equal(code(2, CHANGED), "BAD_FIELD");
  assert.equal(code(2, PRESENT), "BAD_FIELD");
  assert.equal(code(1, annotatedHex("0001 2634 00000001")), "accepted");
  assert.equal(code(1, annotatedHex("0001 2635 00000001")), "BAD_LENGTH");
});

test("a device whose counts do not make its length is refused", () => {
  const at = 8 + 312;
  assert.equal(code(1, changed(PRESENT, at - 1, 3)), "BAD_LENGTH");
  assert.equal(code(1, changed(PRESENT, at + 1, 1)), "BAD_LENGTH");
  assert.equal(code(1, changed(PRESENT, at + 1, 127)), "BAD_LENGTH");
  assert.equal(code(1, changed(PRESENT, at + 3, 4)), "BAD_LENGTH");
  assert.equal(code(1, changed(PRESENT, at + 2, 0x20, 1)), "BAD_LENGTH");
  assert.equal(code(1, changed(PRESENT, at, 2)), "BAD_FIELD");
  assert.equal(code(1, changed(PRESENT, 2, 1, 0x37).subarray(0, 8 + 0x137)), "TRUNCATED");
  assert.equal(code(1, changed(PRESENT, 2, 1, 0x3b).subarray(0, 8 + 0x13b)), "TRUNCATED");
});

test("an event that cannot be at its place is refused", () => {
  const second = (message: Uint8Array) => changed(message, 4, 0, 0, 0, 2);
  assert.equal(code(1, changed(SNAPSHOT_END, 4, 0, 0, 0, 1), second(SNAPSHOT_END)), "BAD_FIELD");
  assert.equal(code(2, second(PRESENT)), "BAD_FIELD", "twice in a snapshot");
  assert.equal(code(2, second(ADDED)), "BAD_FIELD", "before its end");
  assert.equal(code(2, second(REMOVED)), "BAD_FIELD", "before its end");
  assert.equal(code(3, changed(PRESENT, 4, 0, 0, 0, 3)), "BAD_FIELD", "behind its end");
  assert.equal(code(3, changed(ADDED, 4, 0, 0, 0, 3)), "BAD_FIELD", "it is there");
  assert.equal(code(6, changed(CHANGED, 4, 0, 0, 0, 6)), "BAD_FIELD", "it is not there");
  assert.equal(code(6, changed(REMOVED, 4, 0, 0, 0, 6)), "BAD_FIELD", "it is not there");
  assert.equal(code(1, changed(PRESENT, 8 + 256, 0)), "BAD_FIELD", "it has no name");
  assert.equal(code(3, annotatedHex("0006 0001 00000003 00")), "BAD_LENGTH");
  assert.equal(code(1, annotatedHex("0002 0001 00000001 00")), "BAD_LENGTH");
  assert.equal(code(3, annotatedHex("0005 0001 00000003 00")), "BAD_LENGTH");
});

/** PRESENT of device `1-i`, as event `i`. */
function named(i: number): Uint8Array {
  const message = Uint8Array.from(PRESENT);
  new DataView(message.buffer).setUint32(4, i);
  message.set(new TextEncoder().encode(`1-${i}`), 8 + 256);
  return message;
}

test("a host cannot make its guest remember more than 4096 devices", () => {
  const messages = hear(REPLY, ...Array.from({ length: 4097 }, (_, i) => named(i + 1)));
  assert.equal(messages.length, 4098);
  assert.equal(messages.at(-2)!.kind, "present");
  const last = messages.at(-1)!;
  assert(last.kind === "failed");
  assert.equal(last.error.code, "BAD_LENGTH");
});

test("who has closed hears nothing more, not even of what came with the last bytes", () => {
  const messages: string[] = [];
  const request = new DeviceEventsRequest((message) => {
    messages.push(message.kind);
    if (message.kind === "present") request.close();
  });
  request.receive(Buffer.concat(STREAM));
  request.receive(ALIVE);
  assert.deepEqual(messages, ["accepted", "present"]);
});
