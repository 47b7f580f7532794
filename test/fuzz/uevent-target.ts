import assert from "node:assert/strict";
import { parseUevent } from "../../src/linux/uevent.ts";
import { mutateBytes } from "./mutation.ts";
import { requireSame, type Target } from "./target.ts";

const CORPUS: readonly Uint8Array[] = [
  ["add@/devices/pci0000:00/usb1/1-2", "ACTION=add", "DEVPATH=/devices/pci0000:00/usb1/1-2", "SUBSYSTEM=usb"],
  [
    "bind@/devices/platform/vhci_hcd.0/usb2/2-1/2-1:1.0",
    "ACTION=bind",
    "DEVPATH=/devices/platform/vhci_hcd.0/usb2/2-1/2-1:1.0",
    "SUBSYSTEM=usb",
    "DEVTYPE=usb_interface",
    "DRIVER=usbhid",
    "PRODUCT=525/a4a0/100",
    "SEQNUM=1",
  ],
].map((parts) => Buffer.from(parts.map((part) => `${part}\0`).join("")));

/** Messages of the kernel, in the eyes of a reader that knows them by their parts. */
export const ueventTarget: Target = {
  name: "parseUevent",
  corpus: CORPUS,
  mutant: (random) => {
    const mutant = Buffer.from(random.pick(CORPUS));
    // In the middle of a value: still an event.
    if (random.oneIn(2)) mutant[mutant.length - 2 - random.below(3)] = 1 + random.below(255);
    return random.oneIn(2) ? mutant : mutateBytes(mutant, random, CORPUS);
  },
  judge(bytes) {
    const event = parseUevent(bytes);
    if (event === undefined) return "error";
    const parts = Buffer.from(bytes).toString("utf8").split("\0");
    requireSame(parts[0], `${event.action}@${event.path}`, "the heading");
    requireSame(event.variables.get("SUBSYSTEM"), event.subsystem, "the subsystem");
    assert(
      Array.from(event.variables).every(([key, value]) => parts.includes(`${key}=${value}`)),
      "every variable stands in the message",
    );
    return "value";
  },
};
