import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex, toHex } from "../../test/support/annotated-hex.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { Fields, Struct, StructValue } from "../wire/struct.ts";
import {
  DeviceInfo,
  DmaMap,
  DmaUnmap,
  Header,
  IrqInfo,
  RegionAccess,
  RegionInfo,
  SetIrqs,
  Version,
  WriteMulti,
} from "./messages.ts";

function layout<F extends Fields>(struct: Struct<F>, text: string, value: StructValue<F>): void {
  const wire = annotatedHex(text);
  test(`${struct.title} has every field at its place`, () => {
    assert.equal(toHex(struct.encode(value)), toHex(wire));
    assert.deepEqual(struct.decode(wire), value);
  });
  test(`${struct.title} cut at any byte is TRUNCATED`, () => {
    for (let length = 0; length < wire.length; length++) {
      const cut = struct.decode(wire.subarray(0, length));
      assert(cut instanceof ProtocolError);
      assert.equal(cut.code, "TRUNCATED");
    }
  });
}

layout(
  Header,
  `
  0201      message_id
  0a00      command: REGION_WRITE
  24000000  message_size
  11000000  flags: no reply, and no command's
  16000000  error: EINVAL
  `,
  { message_id: 0x0102, command: 10, message_size: 36, flags: 0x11, error: 22 },
);
layout(
  Version,
  `
  0100  major
  0200  minor
  `,
  { major: 1, minor: 2 },
);
layout(
  DmaMap,
  `
  20000000          argsz
  03000000          flags
  0000008000000000  offset
  0000000001000000  address
  0000004001000000  length
  `,
  { argsz: 32, flags: 3, offset: 0x80000000, address: 0x100000000, length: 0x140000000 },
);
layout(
  DmaUnmap,
  `
  18000000          argsz
  04000000          flags
  00000c0000000000  address
  0080000000000000  length
  `,
  { argsz: 24, flags: 4, address: 0xc0000, length: 0x8000 },
);
layout(
  DeviceInfo,
  `
  10000000  argsz
  03000000  flags
  09000000  num_regions
  05000000  num_irqs
  `,
  { argsz: 16, flags: 3, num_regions: 9, num_irqs: 5 },
);
layout(
  RegionInfo,
  `
  20000000          argsz
  03000000          flags
  07000000          index
  01000000          cap_offset
  0001000000000000  length
  0002000000000000  offset
  `,
  { argsz: 32, flags: 3, index: 7, cap_offset: 1, length: 256, offset: 512 },
);
layout(
  IrqInfo,
  `
  10000000  argsz
  09000000  flags
  02000000  index
  04000000  count
  `,
  { argsz: 16, flags: 9, index: 2, count: 4 },
);
layout(
  SetIrqs,
  `
  14000000  argsz
  24000000  flags
  02000000  index
  01000000  start
  03000000  count
  `,
  { argsz: 20, flags: 0x24, index: 2, start: 1, count: 3 },
);
layout(
  RegionAccess,
  `
  4004000000000000  offset
  00000000          region
  04000000          count
  `,
  { offset: 0x440, region: 0, count: 4 },
);
layout(WriteMulti, "0300000000000000  wr_cnt", { wr_cnt: 3 });
