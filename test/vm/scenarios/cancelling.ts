import assert from "node:assert/strict";
import { ATTACH_LINES, type AttachWay, STOCK_TOOL } from "../attachment.ts";
import type { CycleEnd } from "../guest/read-cycles.ts";
import type { Guest } from "../guest.ts";
import type { Scenario } from "../scenario.ts";
import { ServedHost } from "../served-host.ts";

/** bConfigurationValue of the zero gadget: in loopback a read stays pending, from the source it races its cancel. */
const LOOPBACK = 2;
const SOURCE_SINK = 3;
const BULK_IN = 0x81;

/** -ENOENT, what usbfs reports of a discarded URB. */
const DISCARDED = "-2";

/** Reads of an attached zero gadget that are started and cancelled, again and again. */
export async function cancelReads(guest: Guest, node: string, cycles: number): Promise<void> {
  const cycle = (configuration: number, end: CycleEnd): Promise<unknown> =>
    guest.call(
      "test/vm/guest/read-cycles.js",
      "cancelReads",
      [node, configuration, BULK_IN, cycles, end],
      cycles * 100 + 60_000,
    );

  const discardedCycles = Math.ceil(cycles / 2);
  assert.deepEqual(await cycle(LOOPBACK, "discard or close"), { [DISCARDED]: discardedCycles * 4 });

  // Not by closing: a close while data comes in can hang the guest's kernel, whatever the host does
  // (docs/architecture.md).
  const endings = (await cycle(SOURCE_SINK, "discard")) as Record<string, number>;
  assert.deepEqual(
    Object.keys(endings).filter((status) => status !== "0" && status !== DISCARDED),
    [],
  );
}

/** The same with a host of its own: no disconnect, no stuck process, nothing lost. */
export function cancelling(cycles: number, way: AttachWay = STOCK_TOOL): Scenario {
  return {
    name: `${cycles} cycles of starting and cancelling reads${way.words}`,
    timeoutMs: 60_000 + cycles * 200,
    expected: ATTACH_LINES,
    async run(guest) {
      const host = await ServedHost.start({ zero: "zero,serial=zero" });
      try {
        const [attachment] = await way.attach(guest, host.port, ["zero"]);
        const { node, sysfsName } = attachment!;
        await cancelReads(guest, node, cycles);
        await guest.shell(`test -e /sys/bus/usb/devices/${sysfsName}`);
        assert.deepEqual(host.endings, []);
        await way.detachAll(guest);
      } finally {
        await host.stop();
      }
    },
  };
}
