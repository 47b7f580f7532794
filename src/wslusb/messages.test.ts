import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex } from "../../test/support/annotated-hex.ts";
import { TransferStatus } from "../usb/urb.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { Fields, Struct } from "../wire/struct.ts";
import {
  AttachedDevice,
  AttachRequest,
  AttachResponse,
  CancelRequest,
  CancelResponse,
  Credit,
  DetachNotice,
  DetachRequest,
  DeviceInfo,
  EnumerationRequest,
  EnumerationResponse,
  ErrorMessage,
  EventHead,
  FrameHeader,
  Hello,
  InterfaceInfo,
  IsoRequest,
  IsoResult,
  KeepAlive,
  ResetRequest,
  ResetResponse,
  UrbRequest,
  UrbResponse,
} from "./messages.ts";
import { FOREIGN, Status } from "./status.ts";

/** Layout, both directions, every truncation: each byte of `hex` tells its own place. */
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

const NAME = `312d320000000000 ${"0000000000000000 ".repeat(31)}`;

golden(
  FrameHeader,
  `
  04030201  type
  14131211  payload_size
  24232221  sequence_number
  34333231  reserved
`,
  { type: 0x01020304, payload_size: 0x11121314, sequence_number: 0x21222324, reserved: 0x31323334 },
);
golden(
  Hello,
  `
  57534c555342  magic
  0200          version
  0201          lowest_version
  0403          reserved
  14131211      credit
  24232221      devices
  34333231      urbs
  44434241      bytes
  54535251      transfer_length
  64636261      packets
`,
  {
    magic: annotatedHex("57534c555342"),
    version: 2,
    lowest_version: 0x0102,
    reserved: 0x0304,
    credit: 0x11121314,
    devices: 0x21222324,
    urbs: 0x31323334,
    bytes: 0x41424344,
    transfer_length: 0x51525354,
    packets: 0x61626364,
  },
);
golden(EnumerationRequest, "04030201  flags", { flags: 0x01020304 });
golden(EnumerationResponse, "04030201  count", { count: 0x01020304 });
golden(
  DeviceInfo,
  `
  ${NAME} instance_id
  612f6200 ${"00".repeat(252)}  description
  0201  vid
  0403  pid
  0605  bcdDevice
  07    class
  08    subclass
  09    protocol
  0a    configuration_count
  0b    current_configuration
  01    is_attached
  03    speed
  0e    interface_count
  100f  reserved
  53310000 ${"00".repeat(124)}  serial
`,
  {
    instance_id: "1-2",
    description: "a/b",
    vid: 0x0102,
    pid: 0x0304,
    bcdDevice: 0x0506,
    class: 7,
    subclass: 8,
    protocol: 9,
    configuration_count: 10,
    current_configuration: 11,
    is_attached: 1,
    speed: 3,
    interface_count: 14,
    reserved: 0x0f10,
    serial: "S1",
  },
);
golden(InterfaceInfo, "01 02 03 04  an interface", { class: 1, subclass: 2, protocol: 3, reserved: 4 });
golden(AttachRequest, `${NAME} instance_id`, { instance_id: "1-2" });
golden(AttachResponse, `04030201  status\n${NAME} message`, { status: 0x01020304, message: "1-2" });
golden(
  AttachedDevice,
  `
  04030201  device
  05        speed
  06        current_configuration
  0807      reserved
  14131211  descriptors_length
`,
  {
    device: 0x01020304,
    speed: 5,
    current_configuration: 6,
    reserved: 0x0708,
    descriptors_length: 0x11121314,
  },
);
golden(DetachRequest, "04030201  device", { device: 0x01020304 });
golden(DetachNotice, "04030201  device\n14131211  status", { device: 0x01020304, status: 0x11121314 });
golden(ResetRequest, "04030201  device", { device: 0x01020304 });
golden(ResetResponse, "04030201  device\n14131211  status", { device: 0x01020304, status: 0x11121314 });
golden(
  UrbRequest,
  `
  04030201                 device
  81                       endpoint
  02                       transfer_type
  0605                     flags
  b1 b2 b3b4 b5b6 b7b8     setup
  14131211                 transfer_buffer_length
  24232221                 number_of_packets
  34333231                 interval
  44434241                 start_frame
  54535251                 stream_id
  64636261                 reserved
`,
  {
    device: 0x01020304,
    endpoint: 0x81,
    transfer_type: 2,
    flags: 0x0506,
    setup: annotatedHex("b1 b2 b3b4 b5b6 b7b8"),
    transfer_buffer_length: 0x11121314,
    number_of_packets: 0x21222324,
    interval: 0x31323334,
    start_frame: 0x41424344,
    stream_id: 0x51525354,
    reserved: 0x61626364,
  },
);
golden(IsoRequest, "04030201  offset\n14131211  length", { offset: 0x01020304, length: 0x11121314 });
golden(
  UrbResponse,
  `
  04030201  status
  14131211  transferred_length
  24232221  start_frame
  34333231  error_count
  44434241  number_of_packets
  54535251  reserved
`,
  {
    status: 0x01020304,
    transferred_length: 0x11121314,
    start_frame: 0x21222324,
    error_count: 0x31323334,
    number_of_packets: 0x41424344,
    reserved: 0x51525354,
  },
);
golden(IsoResult, "04030201  actual_length\n14131211  status", {
  actual_length: 0x01020304,
  status: 0x11121314,
});
golden(CancelRequest, "04030201  urb", { urb: 0x01020304 });
golden(CancelResponse, "04030201  urb\n14131211  status", { urb: 0x01020304, status: 0x11121314 });
golden(EventHead, "04030201  kind", { kind: 0x01020304 });
golden(KeepAlive, "04030201  answer", { answer: 0x01020304 });
golden(Credit, "04030201  device\n14131211  bytes", { device: 0x01020304, bytes: 0x11121314 });
golden(ErrorMessage, `04030201  status\n${NAME} message`, { status: 0x01020304, message: "1-2" });

test("statuses of transfers have the numbers of the document", () => {
  assert.deepEqual(
    Object.entries(TransferStatus).map(([name, number]) => [
      name.replace(/[A-Z]/g, "_$&").toUpperCase(),
      number,
    ]),
    Object.entries(Status)
      .filter(([, number]) => number < 32)
      .map(([name, number]) => [name === "OK" ? "OK" : name, number]),
  );
  assert.equal(Status.STALL, 1);
  assert.equal(Status.NOT_DONE, 13);
});

test("every status but success is a failure on Linux and on Windows", () => {
  for (const [name, { errno, win32, ntstatus, usbd }] of Object.entries(FOREIGN)) {
    if (name === "OK") continue;
    assert.ok(errno < 0 && win32 > 0 && ntstatus >= 0x80000000 && usbd >= 0x80000000, name);
  }
});
