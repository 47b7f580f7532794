import { ATTACH_LINES } from "../attachment.ts";
import { DEVICE_KINDS, type PluggedKind } from "../device-kinds.ts";
import { plug } from "../emulated-device.ts";
import { type Exporter, OWN_HOST, whileShared } from "../exporting.ts";
import { attachByCall, detachByCall, portsByCall } from "../own-attachment.ts";
import type { Scenario } from "../scenario.ts";
import { driverBack } from "./shared-sticks.ts";

/** Devices of every kind work in the machine that has them, and through the whole path, all attached at once. */
export function sharedKinds(exporter: Exporter = OWN_HOST): Scenario {
  return {
    name: `${DEVICE_KINDS.map(({ words }) => words).join(", ")} are used by their drivers${exporter.words}`,
    timeoutMs: 240_000,
    expected: [...ATTACH_LINES, ...exporter.lines],
    async run(guest) {
      await guest.loadModule(...new Set(DEVICE_KINDS.flatMap(({ modules }) => modules)));
      const plugged: PluggedKind[] = [];
      for (const [i, kind] of DEVICE_KINDS.entries()) {
        const { device, judge } = await kind.make(guest);
        const at = await plug(guest, device, { controller: "xhci", port: i + 1 });
        const node = (await guest.call("test/vm/guest/usbfs.js", "deviceNode", [at.busid])) as string;
        await judge(guest, { sysfsName: at.busid, node });
        plugged.push({ kind, judge, at });
      }
      const busids = plugged.map(({ at }) => at.busid);
      await whileShared(guest, exporter, busids, async (port) => {
        for (const { kind, judge, at } of plugged) {
          const started = performance.now();
          await judge(guest, await attachByCall(guest, `tcp:127.0.0.1:${port}`, at.busid));
          console.log(`${kind.words}: ${Math.round(performance.now() - started)} ms`);
        }
        for (const each of (await portsByCall(guest)).ports) await detachByCall(guest, each.port);
      });
      for (const { kind, at } of plugged) {
        if (kind.driver !== undefined) await driverBack(guest, at.busid, kind.driver);
        await at.pull();
      }
    },
  };
}
