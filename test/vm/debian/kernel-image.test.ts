import assert from "node:assert/strict";
import { test } from "node:test";
import { bzImagePayload } from "./kernel-image.ts";

function image(setupSectors: number): Uint8Array {
  const bytes = new Uint8Array(8192);
  const view = new DataView(bytes.buffer);
  bytes[0x1f1] = setupSectors;
  bytes.set(Buffer.from("HdrS"), 0x202);
  view.setUint32(0x248, 0x30, true); // payload_offset
  view.setUint32(0x24c, 5, true); // payload_length
  bytes.set(Buffer.from("abcde"), ((setupSectors || 4) + 1) * 512 + 0x30);
  return bytes;
}

test("finds the payload behind the setup sectors", () => {
  assert.equal(Buffer.from(bzImagePayload(image(7))).toString(), "abcde");
});

test("no setup sectors means four", () => {
  assert.equal(Buffer.from(bzImagePayload(image(0))).toString(), "abcde");
});

test("refuses a file without the boot protocol's signature", () => {
  assert.throws(() => bzImagePayload(new Uint8Array(8192)), /not a bzImage/);
});
