import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex } from "../../test/support/annotated-hex.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { Fields, Struct } from "../wire/struct.ts";
import {
  CmdSubmit,
  CmdUnlink,
  DeviceRecord,
  HeaderBasic,
  ImportRequest,
  InterfaceRecord,
  IsoPacket,
  OpCommon,
  RetSubmit,
  RetUnlink,
} from "./pdu.ts";

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

golden(
  OpCommon,
  `
  0111       version
  8005       code
  21222324   status
`,
  { version: 0x0111, code: 0x8005, status: 0x21222324 },
);

golden(
  ImportRequest,
  `
  332d312e34000000 0000000000000000 0000000000000000 0000000000000000  busid
`,
  { busid: "3-1.4" },
);

golden(
  DeviceRecord,
  `
  2f7379732f646576 0000000000000000 0000000000000000 0000000000000000  path
  ${"00".repeat(224)}
  332d322e31000000 0000000000000000 0000000000000000 0000000000000000  busid
  01020304  busnum
  11121314  devnum
  00000005  speed
  2122      idVendor
  3132      idProduct
  4142      bcdDevice
  51        bDeviceClass
  52        bDeviceSubClass
  53        bDeviceProtocol
  54        bConfigurationValue
  55        bNumConfigurations
  56        bNumInterfaces
`,
  {
    path: "/sys/dev",
    busid: "3-2.1",
    busnum: 0x01020304,
    devnum: 0x11121314,
    speed: 5,
    idVendor: 0x2122,
    idProduct: 0x3132,
    bcdDevice: 0x4142,
    bDeviceClass: 0x51,
    bDeviceSubClass: 0x52,
    bDeviceProtocol: 0x53,
    bConfigurationValue: 0x54,
    bNumConfigurations: 0x55,
    bNumInterfaces: 0x56,
  },
);

golden(InterfaceRecord, "01 02 03 04", {
  bInterfaceClass: 1,
  bInterfaceSubClass: 2,
  bInterfaceProtocol: 3,
  padding: 4,
});

golden(
  HeaderBasic,
  `
  01020304  command
  f1121314  seqnum
  21222324  devid
  31323334  direction
  41424344  ep
`,
  { command: 0x01020304, seqnum: 0xf1121314, devid: 0x21222324, direction: 0x31323334, ep: 0x41424344 },
);

golden(
  CmdSubmit,
  `
  f1020304          transfer_flags
  11121314          transfer_buffer_length
  21222324          start_frame
  ffffffff          number_of_packets
  41424344          interval
  a1a2a3a4a5a6a7a8  setup
`,
  {
    transfer_flags: 0xf1020304,
    transfer_buffer_length: 0x11121314,
    start_frame: 0x21222324,
    number_of_packets: -1,
    interval: 0x41424344,
    setup: Uint8Array.of(0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8),
  },
);

golden(
  RetSubmit,
  `
  ffffffe0          status
  11121314          actual_length
  21222324          start_frame
  31323334          number_of_packets
  41424344          error_count
  a1a2a3a4a5a6a7a8  padding
`,
  {
    status: -32,
    actual_length: 0x11121314,
    start_frame: 0x21222324,
    number_of_packets: 0x31323334,
    error_count: 0x41424344,
    padding: Uint8Array.of(0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8),
  },
);

golden(CmdUnlink, `f1020304 ${"00".repeat(24)}`, { seqnum: 0xf1020304, padding: new Uint8Array(24) });

golden(RetUnlink, `ffffff98 ${"00".repeat(24)}`, { status: -104, padding: new Uint8Array(24) });

golden(
  IsoPacket,
  `
  01020304  offset
  11121314  length
  21222324  actual_length
  ffffffee  status
`,
  { offset: 0x01020304, length: 0x11121314, actual_length: 0x21222324, status: -18 },
);

test("text keeps its last byte NUL, however long the value is", () => {
  const bytes = ImportRequest.encode({ busid: "x".repeat(40) });
  assert.equal(bytes.length, 32);
  assert.equal(bytes[31], 0);
});
