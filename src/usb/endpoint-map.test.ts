import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex } from "../../test/support/annotated-hex.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { EndpointMap } from "./endpoint-map.ts";
import { Speed } from "./speed.ts";
import { TransferType } from "./urb.ts";

const DESCRIPTORS = annotatedHex(`
  12 01 0002 ff 00 00 40 0912 0001 0001 00 00 00 01  device
  09 02 2900 01 01 00 80 32                          configuration 1, 41 bytes
  09 04 00 00 01 ff 00 00 00                         interface 0, setting 0
  07 05 81 02 0002 00                                bulk IN
  09 04 00 01 01 ff 00 00 00                         interface 0, setting 1
  07 05 82 01 0014 04                                isochronous IN, 3 x 1024
`);

function mapOf(configuration: number): EndpointMap {
  const map = EndpointMap.of(DESCRIPTORS, Speed.high, configuration);
  if (map instanceof ProtocolError) assert.fail(String(map));
  return map;
}

function addresses(map: EndpointMap): number[] {
  return Array.from(map.all(), ({ address }) => address);
}

test("a completed SET_CONFIGURATION and SET_INTERFACE change the endpoints", () => {
  const map = mapOf(0);
  assert.deepEqual(addresses(map), []);
  map.completed(annotatedHex("00 09 0100 0000 0000"));
  assert.deepEqual(addresses(map), [0x81]);
  map.completed(annotatedHex("01 0b 0100 0000 0000"));
  assert.deepEqual(map.find(0x82), {
    address: 0x82,
    type: TransferType.isochronous,
    maxPacketSize: 1024,
    bytesPerInterval: 3072,
    interval: 8,
    interfaceNumber: 0,
  });
  map.completed(annotatedHex("00 09 0100 0000 0000"));
  assert.deepEqual(addresses(map), [0x81]);
});

for (const [what, setup] of [
  ["to a configuration that does not exist", "00 09 0700 0000 0000"],
  ["to a setting that does not exist", "01 0b 0200 0000 0000"],
  ["of a vendor with the same number", "40 09 0000 0000 0000"],
  ["that reads under the same number", "80 09 0000 0000 0000"],
] as const) {
  test(`a request ${what} changes nothing`, () => {
    const map = mapOf(1);
    map.completed(annotatedHex(setup));
    assert.deepEqual([map.configuration, addresses(map)], [1, [0x81]]);
  });
}
