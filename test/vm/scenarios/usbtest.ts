import assert from "node:assert/strict";
import { ATTACH_LINES, type Attachment, type AttachWay, STOCK_TOOL } from "../attachment.ts";
import type { UsbtestResult } from "../guest/usbtest.ts";
import type { Guest } from "../guest.ts";
import type { Scenario } from "../scenario.ts";
import { ServedHost } from "../served-host.ts";

/** A group of cases of drivers/usb/misc/usbtest.c that one alternate setting of the zero gadget has the endpoints for. */
interface CaseGroup {
  readonly alternate: number;
  readonly what: string;
  readonly cases: readonly number[];
  /** Of the data, where the group does not take the one that tells positions apart. */
  readonly zeros?: boolean;
}

export const GROUPS: readonly CaseGroup[] = [
  { alternate: 0, what: "chapter 9 and control", cases: [0, 9, 10, 14, 21] },
  { alternate: 0, what: "bulk, also unaligned", cases: [1, 2, 3, 4, 17, 18, 19, 20] },
  { alternate: 0, what: "queued bulk", cases: [5, 6, 7, 8] },
  // usbtest refuses its performance cases with any data but zeros.
  { alternate: 0, what: "queued bulk for speed", cases: [27, 28], zeros: true },
  { alternate: 0, what: "unlink", cases: [11, 12, 24] },
  { alternate: 0, what: "halt and toggle", cases: [13, 29] },
  { alternate: 1, what: "isochronous, also unaligned", cases: [15, 16, 22, 23] },
  { alternate: 2, what: "interrupt", cases: [25, 26] },
  { alternate: 3, what: "isochronous, 3 packets an interval", cases: [15, 16, 22, 23] },
];

/** A host that is a process of its own takes long to load, in a guest. */
const SERVE_MS = 60_000;

/** Sizes that are no multiple of a packet, so that short packets and odd offsets occur. */
export const PARAMETERS = { length: 1024, vary: 421, sglen: 32 };

/** Gives a zero gadget to the driver, at this alternate setting. */
export async function bindTo(
  guest: Guest,
  { sysfsName }: Pick<Attachment, "sysfsName">,
  alternate: number,
): Promise<void> {
  await guest.shell(`
    cd /sys/bus/usb/drivers/usbtest
    echo ${alternate} > /sys/module/usbtest/parameters/alt
    interface=$(basename /sys/bus/usb/devices/${sysfsName}/*:*.0)
    [ ! -e $interface ] || echo $interface > unbind
    echo $interface > bind`);
}

/** Tells which cases failed. */
export async function runGroup(
  guest: Guest,
  attachment: Attachment,
  group: CaseGroup,
  iterations: number,
): Promise<string[]> {
  const failed: string[] = [];
  await guest.shell(`echo ${group.zeros ? 0 : 1} > /sys/module/usbtest/parameters/pattern`);
  await bindTo(guest, attachment, group.alternate);
  for (const test of group.cases) {
    const parameters = { test, iterations, ...PARAMETERS };
    const result = await guest.call(
      "test/vm/guest/usbtest.js",
      "usbtest",
      [attachment.node, 0, parameters],
      120_000,
    );
    const { errno } = result as UsbtestResult;
    if (errno !== 0) failed.push(`${attachment.busid}: case ${test} (${group.what}): errno ${errno}`);
  }
  return failed;
}

export const UNLINK_RETRY = {
  pattern: /usbtest .*: unlink retry/,
  reason: "usbtest prints this when a request completed just before its unlink, which it then tries again",
};

/**
 * The kernel's own USB test driver against the zero gadget. Data is checked both ways: usbtest demands the
 * pattern of what it reads, the gadget of what it is sent.
 */
export function usbtest(
  speed: "full" | "high" | "super",
  iterations: number,
  way: AttachWay = STOCK_TOOL,
): Scenario {
  return {
    name: `usbtest passes at ${speed} speed, ${iterations} iterations a case${way.words}`,
    timeoutMs: 60_000 + iterations * 2_000 + (way.serve === undefined ? 0 : SERVE_MS),
    expected: [...ATTACH_LINES, UNLINK_RETRY],
    async run(guest) {
      const gadgets = {
        zeros: `zero,speed=${speed},serial=zeros,pattern=0`,
        positions: `zero,speed=${speed},serial=positions,pattern=63`,
      };
      const host = await (way.serve?.(guest, gadgets) ?? ServedHost.start(gadgets));
      try {
        await guest.loadModule("usbtest");
        const [withZeros, withPositions] = await way.attach(guest, host.port, ["zeros", "positions"]);
        const failed: string[] = [];
        for (const group of GROUPS) {
          failed.push(
            ...(await runGroup(guest, group.zeros ? withZeros! : withPositions!, group, iterations)),
          );
        }
        assert.deepEqual(failed, []);
        assert.deepEqual(host.endings, []);
      } finally {
        // First the driver, which puts its interface back to alternate setting 0, then the device.
        await guest.unloadModule("usbtest");
        await way.detachAll(guest);
        await host.stop();
      }
    },
  };
}
