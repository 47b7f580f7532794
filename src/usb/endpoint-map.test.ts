import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex } from "../../test/support/annotated-hex.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { EndpointMap } from "./endpoint-map.ts";
import { Speed } from "./speed.ts";
import { TransferType } from "./urb.ts";

const DEVICE = "12 01 0002 ff0000 40 0912 0100 0001 00 00 00 02  device";

const DESCRIPTORS = annotatedHex(`
  ${DEVICE}
  09 02 3000 01 01 00 80 32  configuration 1, 48 bytes
  09 04 00 00 01 ff0000 00   interface 0, alternate 0
  07 05 81 02 0002 00        bulk IN
  09 04 00 01 02 ff0000 00   interface 0, alternate 1
  07 05 82 01 0014 04        isochronous IN, 3 packets of 1024 a microframe
  07 05 03 03 4000 04        interrupt OUT
  09 02 0900 00 02 00 80 32  configuration 2 without interfaces
`);

function mapOf(bytes: Uint8Array, speed: Speed = Speed.high, configuration = 1): EndpointMap {
  const map = EndpointMap.of(bytes, speed, configuration);
  assert(!(map instanceof ProtocolError));
  return map;
}

test("only the endpoints of the active alternate setting exist", () => {
  const map = mapOf(DESCRIPTORS);
  assert.equal(map.find(0x81)?.type, TransferType.bulk);
  assert.equal(map.find(0x82), undefined);
  map.completed(annotatedHex("01 0b 0100 0000 0000"));
  assert.equal(map.find(0x81), undefined);
  assert.equal(map.alternate(0), 1);
  assert.deepEqual(map.find(0x82), {
    address: 0x82,
    type: TransferType.isochronous,
    maxPacketSize: 1024,
    bytesPerInterval: 3072,
    interval: 8,
    interfaceNumber: 0,
  });
});

test("SET_CONFIGURATION to the active value resets every alternate setting", () => {
  const map = mapOf(DESCRIPTORS);
  map.completed(annotatedHex("01 0b 0100 0000 0000"));
  map.completed(annotatedHex("00 09 0100 0000 0000"));
  assert.equal(map.alternate(0), 0);
  assert.equal(map.find(0x81)?.type, TransferType.bulk);
});

test("what the descriptors do not have is not selected", () => {
  const map = mapOf(DESCRIPTORS);
  assert.equal(map.configure(3), false);
  assert.equal(map.select(0, 2), false);
  assert.equal(map.select(1, 0), false);
  assert.deepEqual([map.configuration, map.alternate(0)], [1, 0]);
});

test("without a configuration there is no endpoint", () => {
  const map = mapOf(DESCRIPTORS, Speed.high, 0);
  assert.deepEqual(Array.from(map.all()), []);
  assert.equal(map.configure(2), true);
  assert.deepEqual(Array.from(map.all()), []);
});

test("bInterval counts frames for full-speed interrupts and is an exponent elsewhere", () => {
  const full = mapOf(DESCRIPTORS, Speed.full);
  full.select(0, 1);
  assert.equal(full.find(0x03)?.interval, 4);
  assert.equal(full.find(0x82)?.interval, 8);
  const high = mapOf(DESCRIPTORS);
  high.select(0, 1);
  assert.equal(high.find(0x03)?.interval, 8);
});

test("SuperSpeed bursts come from the companion", () => {
  const bytes = annotatedHex(`
    ${DEVICE}
    09 02 1f00 01 01 00 80 32  configuration 1, 31 bytes
    09 04 00 00 01 ff0000 00   interface 0
    07 05 82 01 0004 01        isochronous IN of 1024
    06 30 03 01 0018           companion: bursts of 4, 2 of them
  `);
  assert.equal(mapOf(bytes, Speed.super).find(0x82)?.bytesPerInterval, 8192);
});

for (const [what, hex, code] of [
  ["an empty device", "", "TRUNCATED"],
  ["a device descriptor of another type", DEVICE.replace("12 01", "12 02"), "BAD_FIELD"],
  [
    "a wTotalLength that is shorter than its descriptor",
    `${DEVICE}\n09 02 0800 00 01 00 80 32`,
    "BAD_LENGTH",
  ],
  ["a wTotalLength that is longer than what is there", `${DEVICE}\n09 02 0a00 00 01 00 80 32`, "BAD_LENGTH"],
] as const) {
  test(`${what} is ${code}`, () => {
    const map = EndpointMap.of(annotatedHex(hex), Speed.high, 0);
    assert(map instanceof ProtocolError);
    assert.equal(map.code, code);
  });
}
