import assert from "node:assert/strict";
import { ATTACH_LINES, attach, detachAll, portsInUse } from "../attachment.ts";
import type { Scenario } from "../scenario.ts";
import { ServedHost } from "../served-host.ts";

const SPEEDS = ["full", "high", "super"] as const;

/** Many devices of mixed kinds and speeds in one kernel at the same time. */
export function manyDevices(count: number): Scenario {
  return {
    name: `${count} devices attached at once`,
    timeoutMs: 30_000 + count * 3_000,
    expected: ATTACH_LINES,
    async run(guest) {
      const devices: Record<string, string> = {};
      for (let i = 0; i < count; i++) {
        const kind = i % 2 === 0 ? "zero" : "keyboard";
        devices[`device-${i}`] = `${kind},speed=${SPEEDS[i % SPEEDS.length]},serial=device-${i}`;
      }
      const host = await ServedHost.start(devices);
      try {
        const attachments = await attach(guest, host.port, Object.keys(devices));
        assert.equal(new Set(attachments.map(({ sysfsName }) => sysfsName)).size, count);
        assert.equal((await portsInUse(guest)).length, count);
        assert.deepEqual(host.endings, []);
        await detachAll(guest);
      } finally {
        await host.stop();
      }
    },
  };
}
