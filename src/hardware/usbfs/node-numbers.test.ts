import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { test } from "node:test";
import { nodeNumbers, numbersOf } from "./node-numbers.ts";

test("bus and device follow from the numbers of the node", () => {
  // Of /dev/bus/usb/001/001, 001/128, 002/003 and 003/005.
  assert.deepEqual(numbersOf(0xbd00), { busnum: 1, devnum: 1 });
  assert.deepEqual(numbersOf(0xbd7f), { busnum: 1, devnum: 128 });
  assert.deepEqual(numbersOf(0xbd82), { busnum: 2, devnum: 3 });
  assert.deepEqual(numbersOf(0x10_bd04), { busnum: 3, devnum: 5 });
});

test("other devices, files and what is closed are no nodes of usbfs", () => {
  assert.equal(numbersOf(0x0103), undefined);
  for (const path of ["/dev/null", import.meta.filename]) {
    const fd = openSync(path, "r");
    assert.equal(nodeNumbers(fd), undefined);
    closeSync(fd);
    assert.equal(nodeNumbers(fd), undefined);
  }
});
