import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex, toHex } from "../../test/support/annotated-hex.ts";
import { BulkHost } from "../../test/support/bulk-host.ts";
import { TransferType } from "../usb/urb.ts";
import { Mouse, MouseButton } from "./mouse.ts";

function attach() {
  const mouse = new Mouse();
  const host = new BulkHost(mouse);
  /** Reports until the mouse rests. */
  const reports = (): string[] => {
    const all: string[] = [];
    for (;;) {
      const urb = host.urb(0x81, new Uint8Array(8), TransferType.interrupt);
      host.loop.advance(10);
      if (host.isPending(urb)) {
        mouse.cancel(urb);
        mouse.flush();
        return all;
      }
      all.push(toHex(urb.buffer.subarray(0, urb.actualLength)));
    }
  };
  return { host, mouse, reports };
}

test("the descriptors at full speed", () => {
  const wire = annotatedHex(`
    12 01 0002 00 00 00 40 0912 0100 0001 01 02 00 01  device
    09 02 2200 01 01 00 a0 32   configuration
    09 04 00 00 01 03 01 02 00  HID, boot, mouse
    09 21 1101 00 01 22 3400    report descriptor of 52 bytes
    07 05 81 03 0400 0a         interrupt IN, 4 bytes`);
  const { host, mouse } = attach();
  assert.equal(toHex(mouse.descriptors), toHex(wire));
  assert.match(host.control("81 06 0022 0000 ff00"), /^05010902a101.*c0c0$/);
});

test("ways, buttons and wheel are told in order, a long way in steps", () => {
  const { mouse, reports } = attach();
  mouse.move(300, -5);
  mouse.wheel(-2);
  mouse.click();
  mouse.press(MouseButton.right);
  mouse.move(1, 2);
  mouse.move(3, 4);
  mouse.release(MouseButton.right);
  assert.deepEqual(reports(), [
    "007ffbfe",
    "007f0000",
    "002e0000",
    "01000000",
    "00000000",
    "02040600",
    "00000000",
  ]);
});

test("the boot protocol has no wheel", () => {
  const { host, mouse, reports } = attach();
  assert.equal(host.control("a1 03 0000 0000 0100"), "01");
  assert.equal(host.control("21 0b 0000 0000 0000"), "");
  mouse.move(1, -1);
  assert.deepEqual(reports(), ["0001ff"]);
});

test("clicks that nobody reads are refused in the end, ways add up", () => {
  const { mouse, reports } = attach();
  let clicks = 0;
  while (mouse.click()) clicks += 1;
  assert.equal(clicks, 2048);
  for (let i = 0; i < 10_000; i++) mouse.move(1, 0);
  assert.equal(reports().length, 4095 + Math.ceil(10_000 / 127));
});

test("what one host has not read does not come up in the next", () => {
  const { host, mouse, reports } = attach();
  mouse.press(MouseButton.left);
  mouse.move(5, 5);
  host.control("00 09 0000 0000 0000");
  host.control("00 09 0100 0000 0000");
  assert.deepEqual(reports(), []);
});
