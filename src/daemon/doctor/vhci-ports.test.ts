import assert from "node:assert/strict";
import { test } from "node:test";
import { recordedRoot } from "../../../test/support/recorded-root.ts";
import { VhciPorts } from "./vhci-ports.ts";

const FOLDER = "sys/devices/platform/vhci_hcd.0";
const HEAD = "hub port sta spd dev      sockfd local_busid\n";

test("a port that the kernel has given up is told; only a lack of memory makes one, so this is recorded", () => {
  const status = `${HEAD}hs  0000 007 003 00010002 000003 1-1\nhs  0001 004 000 00000000 000000 0-0\nss  0002 004 000 00000000 000000 0-0\n`;
  const [finding, ...others] = new VhciPorts(
    recordedRoot({ [`${FOLDER}/attach`]: "", [`${FOLDER}/status`]: status }),
  ).run();
  assert.deepEqual([finding!.code, finding!.severity, others.length], ["PORTS_IN_ERROR", "note", 0]);
  assert.deepEqual(finding!.next, ["sudo usbferry detach 0"]);
});

test("without the module there are no ports to speak of", () => {
  assert.deepEqual(new VhciPorts(recordedRoot({})).run(), []);
});
