import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex, toHex } from "../../test/support/annotated-hex.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import {
  encodeHandover,
  encodeRequest,
  HANDOVER_BYTES,
  REQUEST_BYTES,
  readHandover,
  readRequest,
} from "./handover.ts";

const REQUEST = annotatedHex(`
  55465251 0100 0000                  magic "UFRQ", version, reserved
  332d312e34000000 0000000000000000   busid "3-1.4"
  0000000000000000 0000000000000000
`);
const HANDOVER = annotatedHex(`
  5546524d 0100 0000  magic "UFRM", version, status
  00000002            length
`);

test("a request has its bus id behind magic and version", () => {
  assert.equal(toHex(encodeRequest("3-1.4")), toHex(REQUEST));
  assert.equal(readRequest(REQUEST), "3-1.4");
  assert.equal(REQUEST_BYTES, REQUEST.length);
  const longest = "x".repeat(31);
  assert.equal(readRequest(encodeRequest(`${longest}y`)), longest);
});

test("a request of another version, or without an end, is refused by its code", () => {
  const newer = REQUEST.slice();
  newer[4] = 2;
  const endless = REQUEST.slice().fill(0x41, 8);
  for (const [bytes, code] of [
    [newer, "BAD_VERSION"],
    [endless, "BAD_FIELD"],
  ] as const) {
    const refused = readRequest(bytes);
    assert(refused instanceof ProtocolError);
    assert.equal(refused.code, code);
  }
});

test("a hand-over tells how long the memory is, or why there is none", () => {
  assert.equal(toHex(encodeHandover(0x02000000)), toHex(HANDOVER));
  assert.deepEqual(readHandover(HANDOVER), { status: 0, length: 0x02000000 });
  assert.deepEqual(readHandover(encodeHandover(0, 2)), { status: 2, length: 0 });
  assert.equal(HANDOVER_BYTES, HANDOVER.length);
});

test("a hand-over that cannot be is refused", () => {
  for (const [bytes, why] of [
    [encodeHandover(0), /0 bytes/],
    [encodeHandover((256 << 20) + 1), /268435457 bytes/],
    [HANDOVER.slice().fill(0, 0, 4), /no shared memory/],
    [HANDOVER.slice().fill(7, 4, 5), /version 7/],
  ] as const) {
    const refused = readHandover(bytes);
    assert(typeof refused === "string");
    assert.match(refused, why);
  }
});
