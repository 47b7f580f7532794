import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex } from "../../test/support/annotated-hex.ts";
import { protocolOf } from "./first-bytes.ts";

const CASES: readonly (readonly [string, ReturnType<typeof protocolOf>])[] = [
  ["", undefined],
  ["07", undefined],
  ["07 00 00", undefined],
  ["07 00 00 00  Hello", "wslusb"],
  ["04 00 00 00  a request of version 1", "wslusb"],
  ["ff 00 00 00  an Error", "wslusb"],
  ["01", undefined],
  ["01 11", "usbip"],
  ["01 11 80 05", "usbip"],
  ["01 00 80 05  USB/IP of an older version", "usbip"],
  ["47 45 54 20  GET", "usbip"],
  ["16 03 01 00  TLS", "usbip"],
  ["00", "usbip"],
  ["55", undefined],
  ["55 46 52", undefined],
  ["55 46 52 51  UFRQ", "ring"],
  ["55 46 52 4d  UFRM, which a host says", "usbip"],
];

for (const [hex, protocol] of CASES) {
  test(`a client that begins with "${hex}" speaks ${protocol ?? "what is not known yet"}`, () =>
    assert.equal(protocolOf(annotatedHex(hex)), protocol));
}
