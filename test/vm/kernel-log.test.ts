import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeKernelLog, parseKernelRecord } from "./kernel-log.ts";

const records = (...texts: readonly string[]) => texts.map((text) => parseKernelRecord(text, 0));

test("parses level, sequence, text and the device's subsystem", () => {
  const record =
    "3,339,5140900,-;usb 3-1: device descriptor read/64, error -71\n SUBSYSTEM=usb\n DEVICE=c189:257\n";
  assert.deepEqual(parseKernelRecord(record, 12.5), {
    level: 3,
    sequence: 339,
    text: "usb 3-1: device descriptor read/64, error -71",
    subsystem: "usb",
    atMs: 12.5,
  });
});

test("the facility is not part of the level, and escaped bytes are restored", () => {
  const line = parseKernelRecord("12,7,100,c;tab\\x09here\n", 0);
  assert.equal(line.level, 4);
  assert.equal(line.text, "tab\there");
});

test("vhci's ordinary chatter passes", () => {
  const chatter = records(
    "6,1,0,-;vhci_hcd vhci_hcd.0: pdev(0) rhport(0) sockfd(21)\n SUBSYSTEM=platform\n",
    "6,2,0,-;vhci_hcd vhci_hcd.0: Device attached\n",
    "6,3,0,-;vhci_hcd: connection closed\n",
    "6,4,0,-;vhci_hcd: stop threads\n",
    "6,5,0,-;vhci_hcd: release socket\n",
    "6,6,0,-;vhci_hcd: disconnect device\n",
    "6,7,0,-;usb 3-1: USB disconnect, device number 2\n",
  );
  assert.deepEqual(judgeKernelLog(chatter), []);
});

for (const [why, record] of [
  ["an error of anybody", "3,1,0,-;ext4: something\n"],
  ["an error without a device", "3,1,0,-;vhci_hcd: unknown pdu 4008636142\n"],
  [
    "a warning of a USB driver by its name",
    "4,1,0,-;hid-generic 0003:0627:0001.0001: Event data for report 0 was too short (8 vs 6)\n",
  ],
  ["a warning about a USB device", "4,1,0,-;thing 3-1: odd\n SUBSYSTEM=usb\n"],
  [
    "a failure that is printed as information",
    "6,1,0,-;vhci_hcd: cannot find a urb of seqnum 5 max seqnum 9\n",
  ],
  ["a stuck task", "3,1,0,-;INFO: task kworker:42 blocked for more than 15 seconds.\n"],
  ["a warning with a trace", "4,1,0,-;WARNING: CPU: 0 PID: 1 at drivers/usb/core/urb.c:503\n"],
] as const) {
  test(`complains about ${why}`, () => assert.equal(judgeKernelLog(records(record)).length, 1));
}

test("a warning that is not about USB passes", () => {
  assert.deepEqual(judgeKernelLog(records("4,1,0,-;clocksource: timekeeping watchdog\n")), []);
});

test("expected lines pass, others beside them do not", () => {
  const lines = records("3,1,0,-;vhci_hcd: unknown pdu 7\n", "3,2,0,-;usbip_core: unknown command\n");
  const expected = [{ pattern: /unknown pdu/, reason: "the test sends one" }];
  assert.deepEqual(judgeKernelLog(lines, expected), ["<3> usbip_core: unknown command"]);
});
