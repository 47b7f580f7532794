import assert from "node:assert/strict";
import { test } from "node:test";
import type { HardwareDevice } from "../hardware-device.ts";
import { missingMessage } from "./library.ts";
import { openRefusal } from "./open-refusal.ts";

const STICK: HardwareDevice = {
  busid: "1-2.3",
  busnum: 1,
  devnum: 7,
  path: "libusb/1-2.3",
  node: "1.7",
  speed: 3,
  descriptors: Uint8Array.of(18, 1, 0, 3, 0, 0, 0, 9, 0x81, 0x07, 0x83, 0x55, 0, 1, 1, 2, 3, 1),
  configuration: 1,
  product: "Ultra Fit",
  interfaces: [],
};

function refusal(code: number, platform: NodeJS.Platform): readonly [reason: string, message: string] {
  const { reason, message } = openRefusal(STICK, "opening it", code, "LIBUSB_ERROR_X", platform);
  assert(message.startsWith("Ultra Fit (1-2.3)"), message);
  return [reason, message];
}

test("a refusal says which device, why, and what to do next", () => {
  assert.equal(refusal(-4, "linux")[0], "gone");
  assert.equal(refusal(-5, "linux")[0], "gone");
  const [denied, rule] = refusal(-3, "linux");
  assert.equal(denied, "denied");
  assert.match(rule, /as root, or .* udev rule: .*ATTR\{idVendor\}=="0781", ATTR\{idProduct\}=="5583"/);
  assert.equal(refusal(-6, "linux")[0], "busy");
  assert.deepEqual(refusal(-99, "linux"), [
    "failed",
    "Ultra Fit (1-2.3): opening it failed (LIBUSB_ERROR_X). Unplug it and plug it in again.",
  ]);
  assert.match(refusal(-3, "darwin")[1], /macOS keeps it for one of its drivers/);
});

test("on Windows a device without WinUSB is told what it lacks", () => {
  for (const [code, reason] of [
    [-3, "denied"],
    [-5, "failed"],
    [-12, "failed"],
  ] as const) {
    const told = refusal(code, "win32");
    assert.equal(told[0], reason);
    assert.match(told[1], /opening it failed \(LIBUSB_ERROR_X\)\. .* its driver is WinUSB.* Zadig/);
  }
  assert.equal(refusal(-4, "win32")[0], "gone");
});

test("without libusb each system is told what to install", () => {
  assert.match(missingMessage("linux", "no such file"), /\(no such file\)\. .*apt install libusb-1\.0-0/);
  assert.match(missingMessage("darwin", "x"), /brew install libusb/);
  assert.match(missingMessage("win32", "x"), /libusb-1\.0\.dll .* PATH/);
});
