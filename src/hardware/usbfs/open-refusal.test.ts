import assert from "node:assert/strict";
import { test } from "node:test";
import { nameOf } from "../device-refusal.ts";
import type { HardwareDevice } from "../hardware-device.ts";
import { openRefusal, takenRefusal } from "./open-refusal.ts";

const STICK: HardwareDevice = {
  busid: "1-2.3",
  busnum: 1,
  devnum: 7,
  path: "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2.3",
  node: "/dev/bus/usb/001/007",
  speed: 3,
  descriptors: Uint8Array.of(18, 1, 0, 3, 0, 0, 0, 9, 0x81, 0x07, 0x83, 0x55, 0, 1, 1, 2, 3, 1),
  configuration: 1,
  product: "Ultra Fit",
  interfaces: [{ number: 0, driver: "usb-storage" }],
};

function refusal(errno: number): readonly [reason: string, message: string] {
  const { reason, message } = openRefusal(STICK, "resetting it", errno);
  assert(message.startsWith("Ultra Fit (1-2.3)"), message);
  return [reason, message];
}

test("a refusal says which device, why, and what to do next", () => {
  assert.deepEqual(refusal(19), ["gone", "Ultra Fit (1-2.3) is unplugged; plug it in again first"]);
  assert.equal(refusal(2)[0], "gone");
  const [denied, rule] = refusal(13);
  assert.equal(denied, "denied");
  assert.match(
    rule,
    /may not open \/dev\/bus\/usb\/001\/007\. Run usbferry as root, or .* udev rule: SUBSYSTEM/,
  );
  assert.match(rule, /ATTR\{idVendor\}=="0781", ATTR\{idProduct\}=="5583"/);
  const [busy, program] = refusal(16);
  assert.equal(busy, "busy");
  assert.match(program, /`fuser \/dev\/bus\/usb\/001\/007`/);
  const [failed, cause] = refusal(110);
  assert.equal(failed, "failed");
  assert.match(cause, /resetting it failed: .*\(ETIMEDOUT\)\. Unplug it/);
});

test("a device that a driver has as a whole names the driver", () => {
  const { reason, message } = takenRefusal(STICK, "usbip-host");
  assert.equal(reason, "busy");
  assert.match(message, /the driver usbip-host has all of it; `usbip unbind -b 1-2\.3`/);
  assert.equal(nameOf({ ...STICK, busid: "1-1" }), "Ultra Fit (1-1)");
});
