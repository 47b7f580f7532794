import assert from "node:assert/strict";
import { test } from "node:test";
import { parseUevent } from "./uevent.ts";

/** As Linux 6.12 sends it when a stick is plugged in. */
const ADDED = [
  "add@/devices/pci0000:00/0000:00:04.0/usb1/1-2",
  "ACTION=add",
  "DEVPATH=/devices/pci0000:00/0000:00:04.0/usb1/1-2",
  "SUBSYSTEM=usb",
  "MAJOR=189",
  "MINOR=1",
  "DEVNAME=bus/usb/001/002",
  "DEVTYPE=usb_device",
  "PRODUCT=46f4/1/0",
  "TYPE=0/0/0",
  "BUSNUM=001",
  "DEVNUM=002",
  "SEQNUM=1234",
];

function message(...parts: readonly string[]): Uint8Array {
  return Buffer.from(parts.map((part) => `${part}\0`).join(""));
}

function withPart(at: number, part: string): Uint8Array {
  return message(...ADDED.with(at, part));
}

test("an event has an action, a path, a subsystem and variables", () => {
  const event = parseUevent(message(...ADDED));
  assert(event !== undefined);
  const { action, path, subsystem, variables } = event;
  assert.deepEqual(
    { action, path, subsystem },
    { action: "add", path: "/devices/pci0000:00/0000:00:04.0/usb1/1-2", subsystem: "usb" },
  );
  assert.equal(variables.get("BUSNUM"), "001");
  assert.equal(variables.get("DEVTYPE"), "usb_device");
});

test("a value may be empty and hold an equals sign", () => {
  const event = parseUevent(message(...ADDED, "NAME=", "MODALIAS=usb:a=b"));
  assert.deepEqual([event?.variables.get("NAME"), event?.variables.get("MODALIAS")], ["", "usb:a=b"]);
});

test("an event cut at any byte but one behind its variables is none", () => {
  const whole = message(...ADDED);
  const subsystemEnds = message(...ADDED.slice(0, 4)).length;
  const ends = new Set(ADDED.map((_, i) => message(...ADDED.slice(0, i + 1)).length));
  for (let length = 0; length < whole.length; length++) {
    const isWhole = length >= subsystemEnds && ends.has(length);
    assert.equal(parseUevent(whole.subarray(0, length)) !== undefined, isWhole, `${length} bytes`);
  }
});

test("what is no event of the kernel is nothing", () => {
  for (const bytes of [
    withPart(0, "add"),
    withPart(0, "@/devices/x"),
    withPart(0, "ADD@/devices/pci0000:00/0000:00:04.0/usb1/1-2"),
    withPart(0, "add@devices/pci0000:00/0000:00:04.0/usb1/1-2"),
    withPart(1, "ACTION=remove"),
    withPart(2, "DEVPATH=/devices/other"),
    withPart(3, "SUBSYSTE=usb"),
    withPart(4, "MAJOR"),
    withPart(4, "=189"),
    // As udev sends it to group 2.
    Buffer.concat([Buffer.from("libudev\0"), Buffer.from([0xfe, 0xed, 0xca, 0xfe]), message(...ADDED)]),
  ]) {
    assert.equal(parseUevent(bytes), undefined, Buffer.from(bytes).toString("latin1"));
  }
});
