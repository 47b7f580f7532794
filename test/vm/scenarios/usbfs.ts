import assert from "node:assert/strict";
import { ATTACH_LINES, attach, LINK_LOST_LINES, portsInUse } from "../attachment.ts";
import type { Guest } from "../guest.ts";
import type { Scenario } from "../scenario.ts";
import { ServedHost } from "../served-host.ts";

/** Kernel lines that real use of a device through usbfs provokes. */
const USBFS_LINES = [
  {
    pattern: /usb .*: reset (low|full|high|SuperSpeed|super).*USB device/i,
    reason: "an opened device is reset",
  },
];

/** The suite of the waist, on a gadget that the guest's kernel takes for a device of flesh and blood. */
export function conformance(kind: string, speed: string): Scenario {
  return {
    name: `usbfs keeps the promises of the waist: ${kind} at ${speed} speed`,
    expected: [...ATTACH_LINES, ...LINK_LOST_LINES, ...USBFS_LINES],
    timeoutMs: 240_000,
    async run(guest) {
      const host = await ServedHost.start({ [kind]: `${kind},speed=${speed},serial=${kind}` });
      try {
        const [attachment] = await attach(guest, host.port, [kind]);
        const [port] = await portsInUse(guest);
        await runSuite(guest, kind, attachment!.sysfsName, port!);
      } finally {
        await host.stop();
      }
    },
  };
}

async function runSuite(guest: Guest, kind: string, busid: string, port: number): Promise<void> {
  const argv = guest.nodeProgram("test/vm/guest/usbfs-conformance.js", kind, busid, String(port));
  const { code, stdout, stderr } = await guest.run(argv, { timeoutMs: 220_000 });
  assert.equal(code, 0, `${stdout}${stderr}`);
  console.log(`${kind}: ${/^# pass \d+/m.exec(stdout)?.[0] ?? stdout}`);
}
