import assert from "node:assert/strict";
import { test } from "node:test";
import { readDeviceChoice } from "./device-choice.ts";
import { WrongUsage } from "./failure.ts";

test("a DEV is a bus id, or numbers in hexadecimal with or without a serial number", () => {
  const numbers = { idVendor: 0x0525, idProduct: 0xa4a0 };
  assert.deepEqual(readDeviceChoice("3-1.4"), { by: "busid", busid: "3-1.4" });
  assert.deepEqual(readDeviceChoice("0525:A4A0"), { by: "id", ...numbers });
  assert.deepEqual(readDeviceChoice("0525:a4a0:00:1a B"), { by: "serial", ...numbers, serial: "00:1a B" });
  assert.deepEqual(readDeviceChoice("525:a4a0:x"), { by: "busid", busid: "525:a4a0:x" });
});

test("what can be no device is refused with what to write", () => {
  for (const [text, reason] of [
    ["", /a bus id has 1 to 31 characters/],
    ["a b", /a bus id has 1 to 31 characters/],
    ["x".repeat(32), /a bus id has 1 to 31 characters/],
    ["/dev/bus/usb/001/002", /is a file of this machine/],
    ["0525:a4a0:", /a serial number has 1 to 126 characters/],
    [`0525:a4a0:${"x".repeat(127)}`, /a serial number has 1 to 126 characters/],
  ] as const) {
    assert.throws(
      () => readDeviceChoice(text),
      (error) => error instanceof WrongUsage && reason.test(error.message),
      text,
    );
  }
});
