import assert from "node:assert/strict";
import { test } from "node:test";
import { findNames } from "./usb-ids.ts";

const LIST = `# List of USB ID's
# Vendor, device and interface names
0403  Future Technology Devices International, Ltd
\t6001  FT232 Serial (UART) IC
\t6010  FT2232C Dual
046d  Logitech, Inc.
\tc31c  Keyboard K120
\t\t00  an interface

C 03  Human Interface Device
\t0403  not a product
`;

test("vendors and products are found by their numbers", () => {
  const names = findNames(LIST, new Set(["046d:c31c", "0403:6001", "0403:0403", "ffff:0001"]));
  assert.deepEqual(Object.fromEntries(names), {
    "0403:6001": "Future Technology Devices International, Ltd FT232 Serial (UART) IC",
    "046d:c31c": "Logitech, Inc. Keyboard K120",
  });
});
