import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex } from "../../test/support/annotated-hex.ts";
import { protocolOf } from "./first-bytes.ts";

/** Hex, and what it is on a listener of USB/IP and on one of WSL-USB. */
const CASES: readonly (readonly [string, ...ReturnType<typeof protocolOf>[]])[] = [
  ["", undefined, undefined],
  ["07", undefined, undefined],
  ["07 00 00", undefined, undefined],
  ["07 00 00 00  Hello", "wslusb", "wslusb"],
  ["04 00 00 00  a request of version 1", "wslusb", "wslusb"],
  ["ff 00 00 00  an Error", "wslusb", "wslusb"],
  ["0c 00 00 00  a type that does not exist", "wslusb", "wslusb"],
  ["00 01 00 00  one that is two bytes long", "wslusb", "wslusb"],
  ["01", undefined, undefined],
  ["01 11", "usbip", "usbip"],
  ["01 11 80 05", "usbip", "usbip"],
  ["01 00 80 05  USB/IP of an older version", "usbip", "wslusb"],
  ["47 45 54", undefined, undefined],
  ["47 45 54 20  GET", "usbip", "wslusb"],
  ["16 03 01 00  TLS", "usbip", "wslusb"],
  ["55 46 52", undefined, undefined],
  ["55 46 52 51  UFRQ", "ring", "ring"],
  ["55 46 52 4d  UFRM, which a host says", "usbip", "wslusb"],
];

for (const [hex, ...protocols] of CASES) {
  for (const [i, expected] of (["usbip", "wslusb"] as const).entries()) {
    test(`a client that begins with "${hex}" where ${expected} is expected speaks ${protocols[i] ?? "nobody knows what"}`, () =>
      assert.equal(protocolOf(annotatedHex(hex), expected), protocols[i]));
  }
}
