import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex } from "../../test/support/annotated-hex.ts";
import { TransferStatus } from "../usb/urb.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { Fields, Struct } from "../wire/struct.ts";
import {
  BODY,
  Breaker,
  CancelAck,
  Capability,
  DeviceAck,
  DeviceAdded,
  DeviceRemoved,
  DeviceRequest,
  Heartbeat,
  ISO_SIZE,
  IsoComplete,
  IsoRequest,
  IsoResult,
  IsoSubmit,
  MessageHeader,
  MessageType,
  Negotiate,
  NegotiateResponse,
  SETUP_AT,
  Shutdown,
  StatsResponse,
  URB_SIZE,
  UrbComplete,
  UrbSubmit,
} from "./messages.ts";
import { Status, statusOf, transferStatusOf } from "./status.ts";

/** Layout, both directions, every truncation; places count from the start of the message, as in USBWarp's tables. */
function golden<F extends Fields>(struct: Struct<F>, hex: string, value: object): void {
  const wire = annotatedHex(hex);
  test(`${struct.title} decodes the layout of its document`, () =>
    assert.deepEqual(struct.decode(wire), value));
  test(`${struct.title} encodes the layout of its document`, () =>
    assert.deepEqual(struct.encode(value as never), wire));
  test(`${struct.title} cut at any byte is TRUNCATED`, () => {
    for (let length = 0; length < wire.length; length++) {
      const decoded = struct.decode(wire.subarray(0, length));
      assert.ok(decoded instanceof ProtocolError);
      assert.equal(decoded.code, "TRUNCATED");
    }
  });
}

function zeros(length: number): Uint8Array {
  return new Uint8Array(length);
}

golden(
  MessageHeader,
  `
  5548444d  magic
  6400  message_type
  0101  protocol_version
  60000000  message_length
  04030201  transaction_id
  14131211  device_id
  24232221  flags
  34333231  timestamp
  44434241  its upper half
`,
  {
    magic: 0x4d444855,
    message_type: 100,
    protocol_version: 0x0101,
    message_length: 96,
    transaction_id: 0x01020304,
    device_id: 0x11121314,
    flags: 0x21222324,
    timestamp: 0x31323334,
    timestamp_high: 0x41424344,
  },
);

golden(
  Negotiate,
  `
  0101  0x20 min_version
  0201  0x22 max_version
  0f000000  0x24 capabilities
  00040000  0x28 max_pending_urbs
  04030201  0x2c guest_epoch
  14131211  0x30 host_epoch
  000000000000000000000000  0x34 reserved
`,
  {
    min_version: 0x0101,
    max_version: 0x0102,
    capabilities: 15,
    max_pending_urbs: 1024,
    guest_epoch: 0x01020304,
    host_epoch: 0x11121314,
    reserved: zeros(12),
  },
);

golden(
  NegotiateResponse,
  `
  bb0000c0  0x20 status
  0101  0x24 negotiated_version
  0000  0x26 pad
  0f000000  0x28 capabilities
  00040000  0x2c max_pending_urbs
  20000000  0x30 max_devices
  04030201  0x34 guest_epoch
  14131211  0x38 host_epoch
  00000000  0x3c reserved
`,
  {
    status: -1_073_741_637,
    negotiated_version: 0x0101,
    pad: 0,
    capabilities: 15,
    max_pending_urbs: 1024,
    max_devices: 32,
    guest_epoch: 0x01020304,
    host_epoch: 0x11121314,
    reserved: 0,
  },
);

golden(
  DeviceAdded,
  `
  05000000  0x20 device_id
  5e04  0x24 vid
  0b03  0x26 pid
  08  0x28 class
  06  0x29 subclass
  50  0x2a protocol
  40  0x2b ep0_max_packet
  0201  0x2c bcdDevice
  03  0x2e numConfigurations
  04  0x2f speed
  000102030405060708090a0b0c0d0e0f1011  0x30 device_descriptor
  01  0x42 current_configuration
  00  0x43 pad
  35000000  0x44 config_descriptor_length
`,
  {
    device_id: 5,
    vid: 0x045e,
    pid: 0x030b,
    class: 8,
    subclass: 6,
    protocol: 0x50,
    ep0_max_packet: 64,
    bcdDevice: 0x0102,
    numConfigurations: 3,
    speed: 4,
    device_descriptor: Uint8Array.from({ length: 18 }, (_, i) => i),
    current_configuration: 1,
    pad: 0,
    config_descriptor_length: 53,
  },
);

golden(
  DeviceRemoved,
  `
  05000000  0x20 device_id
  01000000  0x24 reason
  0000000000000000  0x28 reserved
`,
  { device_id: 5, reason: 1, reserved: zeros(8) },
);

golden(
  DeviceAck,
  `
  05000000  0x20 device_id
  99ffffff  0x24 status
  0000000000000000  0x28 reserved
`,
  { device_id: 5, status: -103, reserved: zeros(8) },
);

golden(
  DeviceRequest,
  `
  05000000  0x20 device_id
  000000000000000000000000  0x24 reserved
`,
  { device_id: 5, reserved: zeros(12) },
);

golden(
  Heartbeat,
  `
  04030201  0x20 timestamp
  14131211  0x24 its upper half
  02000000  0x28 state
  07000000  0x2c pending_urbs
  09000000  0x30 used_slots
  00000000  0x34 reserved
`,
  {
    timestamp: 0x01020304,
    timestamp_high: 0x11121314,
    state: 2,
    pending_urbs: 7,
    used_slots: 9,
    reserved: 0,
  },
);

golden(
  Shutdown,
  `
  03000000  0x20 reason
  000000000000000000000000  0x24 reserved
`,
  { reason: 3, reserved: zeros(12) },
);

golden(
  Breaker,
  `
  05000000  0x20 device_id
  02000000  0x24 reason
  c8000000  0x28 error_count
  00000000  0x2c reserved
`,
  { device_id: 5, reason: 2, error_count: 200, reserved: 0 },
);

golden(
  UrbSubmit,
  `
  05000000  0x20 device_id
  0f000000  0x24 endpoint
  01000000  0x28 direction
  02000000  0x2c transfer_type
  00100000  0x30 transfer_length
  41000000  0x34 transfer_flags
  01000000  0x38 data_mode
  00200800  0x3c buffer_offset
  8006000100001200  0x40 setup
  08000000  0x48 interval
  03000000  0x4c stream_id
  00000000000000000000000000000000  0x50 reserved
`,
  {
    device_id: 5,
    endpoint: 15,
    direction: 1,
    transfer_type: 2,
    transfer_length: 4096,
    transfer_flags: 0x41,
    data_mode: 1,
    buffer_offset: 0x82000,
    setup: Uint8Array.of(0x80, 6, 0, 1, 0, 0, 18, 0),
    interval: 8,
    stream_id: 3,
    reserved: zeros(16),
  },
);

golden(
  UrbComplete,
  `
  05000000  0x20 device_id
  0f000000  0x24 endpoint
  feffffff  0x28 status
  00020000  0x2c actual_length
  02000000  0x30 data_mode
  00200800  0x34 buffer_offset
  00000000000000000000000000000000000000000000000000000000000000000000000000000000  0x38 reserved
`,
  {
    device_id: 5,
    endpoint: 15,
    status: -2,
    actual_length: 512,
    data_mode: 2,
    buffer_offset: 0x82000,
    reserved: zeros(40),
  },
);

golden(
  CancelAck,
  `
  9affffff  0x20 status
  000000000000000000000000  0x24 reserved
`,
  { status: -102, reserved: zeros(12) },
);

golden(
  IsoSubmit,
  `
  05000000  0x20 device_id
  03000000  0x24 endpoint
  01000000  0x28 direction
  08000000  0x2c number_of_packets
  04030201  0x30 start_frame
  00200800  0x34 buffer_offset
  00100000  0x38 total_length
  02000000  0x3c transfer_flags
`,
  {
    device_id: 5,
    endpoint: 3,
    direction: 1,
    number_of_packets: 8,
    start_frame: 0x01020304,
    buffer_offset: 0x82000,
    total_length: 4096,
    transfer_flags: 2,
  },
);

golden(
  IsoRequest,
  `
  00020000  offset
  c0000000  length
`,
  { offset: 512, length: 192 },
);

golden(
  IsoComplete,
  `
  05000000  0x20 device_id
  03000000  0x24 endpoint
  9cffffff  0x28 status
  02000000  0x2c error_count
  08000000  0x30 number_of_packets
  04030201  0x34 start_frame
  0000000000000000  0x38 reserved
`,
  {
    device_id: 5,
    endpoint: 3,
    status: -100,
    error_count: 2,
    number_of_packets: 8,
    start_frame: 0x01020304,
    reserved: zeros(8),
  },
);

golden(
  IsoResult,
  `
  c0000000  actual_length
  f9ffffff  status
`,
  { actual_length: 192, status: -7 },
);

test("STATS_RESPONSE has its counters of 64 bits from 0x28, and its percentages from 0x80", () => {
  const wire = zeros(120);
  const view = new DataView(wire.buffer);
  for (let i = 0; i < 11; i++) view.setBigUint64(8 + 8 * i, (BigInt(i) << 32n) | BigInt(100 + i), true);
  for (let i = 0; i < 4; i++) view.setUint32(0x80 - BODY + 4 * i, 200 + i, true);
  const { device_id, reserved, pad, ...figures } = StatsResponse.decode(wire) as Record<string, unknown>;
  assert.deepEqual([device_id, reserved, pad], [0, 0, zeros(8)]);
  const names =
    "urbs_submitted urbs_completed urbs_cancelled urbs_failed bytes_out bytes_in inline_submits batch_submits rate_limit_hits validation_failures ring_full";
  const counters = names.split(" ").flatMap((name, i) => [
    [name, 100 + i],
    [`${name}_high`, i],
  ]);
  const rest = ["p50_us", "p99_us", "ring_percent", "buffer_percent"].map((name, i) => [name, 200 + i]);
  assert.deepEqual(figures, Object.fromEntries([...counters, ...rest]));
});

test("messages are as long as in USBWarp 1.0", () => {
  const sizes: readonly (readonly [{ readonly size: number }, number])[] = [
    [Negotiate, 64],
    [NegotiateResponse, 64],
    [DeviceAdded, 72],
    [DeviceRemoved, 48],
    [DeviceAck, 48],
    [DeviceRequest, 48],
    [Heartbeat, 56],
    [Shutdown, 48],
    [Breaker, 48],
    [UrbSubmit, 96],
    [UrbComplete, 96],
    [CancelAck, 48],
    [IsoSubmit, 64],
    [IsoComplete, 64],
    [StatsResponse, 152],
  ];
  for (const [{ size }, whole] of sizes) assert.equal(BODY + size, whole);
  assert.deepEqual([BODY, URB_SIZE, ISO_SIZE, SETUP_AT], [0x20, 0x60, 0x40, 0x40]);
  assert.deepEqual([IsoRequest.size, IsoResult.size], [8, 8]);
});

test("message types and capabilities are those of USBWarp 1.0, and four more", () => {
  assert.deepEqual(MessageType, {
    NEGOTIATE: 1,
    NEGOTIATE_RESP: 2,
    DEVICE_ADDED: 3,
    DEVICE_REMOVED: 4,
    DEVICE_ADD_ACK: 5,
    DEVICE_REMOVE_ACK: 6,
    DEVICE_RESET: 7,
    DEVICE_RESET_ACK: 8,
    DEVICE_RELEASE: 9,
    HEARTBEAT: 20,
    HOST_SHUTDOWN: 30,
    GUEST_SHUTDOWN: 31,
    SHUTDOWN_ACK: 32,
    STREAM: 50,
    URB_SUBMIT: 100,
    URB_COMPLETE: 101,
    URB_CANCEL: 102,
    URB_CANCEL_ACK: 103,
    ISO_SUBMIT: 200,
    ISO_COMPLETE: 201,
    CIRCUIT_BREAKER_TRIP: 300,
    CIRCUIT_BREAKER_RESET: 301,
    STATS_REQUEST: 400,
    STATS_RESPONSE: 401,
  });
  assert.deepEqual(Capability, { ISO: 1, INLINE_DATA: 2, BATCH_SUBMIT: 4, STATS: 8, STREAMS: 16 });
});

/** [status of the waist, number on the wire] */
const STATUSES: readonly (readonly [keyof typeof TransferStatus, number])[] = [
  ["ok", 0],
  ["stall", -2],
  ["cancelled", -1],
  ["disconnected", -100],
  ["overflow", -5],
  ["short", -4],
  ["timeout", -3],
  ["protocol", -8],
  ["crc", -7],
  ["underrun", -9],
  ["overrun", -10],
  ["invalid", -103],
  ["noMemory", -104],
  ["notDone", -11],
];

test("every status of a transfer has its number, and comes back", () => {
  assert.deepEqual(
    STATUSES.map(([name]) => name),
    Object.keys(TransferStatus),
  );
  for (const [name, number] of STATUSES) {
    assert.equal(statusOf(TransferStatus[name]), number, name);
    assert.equal(transferStatusOf(number), TransferStatus[name], name);
  }
});

test("what has no status of its own is what a driver can use", () => {
  assert.equal(transferStatusOf(Status.BABBLE), TransferStatus.overflow);
  assert.equal(transferStatusOf(Status.SHUTDOWN), TransferStatus.disconnected);
  assert.equal(transferStatusOf(Status.RATE_LIMITED), TransferStatus.noMemory);
  for (const other of [
    Status.CIRCUIT_BREAK,
    Status.PROTOCOL_ERROR,
    Status.DEVICE_ERROR,
    -1000,
    5,
    -2147483648,
  ]) {
    assert.equal(transferStatusOf(other), TransferStatus.protocol);
  }
});
