import assert from "node:assert/strict";
import { Keyboard } from "../../../src/gadgets/keyboard.ts";
import { Zero } from "../../../src/gadgets/zero.ts";
import type { UsbDevice } from "../../../src/usb/device.ts";
import { Speed } from "../../../src/usb/speed.ts";
import { ATTACH_LINES, attach, detachAll, portsInUse } from "../attachment.ts";
import type { Scenario } from "../scenario.ts";
import { ServedHost } from "../served-host.ts";

const SPEEDS = [Speed.full, Speed.high, Speed.super] as const;

/** Many devices of mixed kinds and speeds in one kernel at the same time. */
export function manyDevices(count: number): Scenario {
  return {
    name: `${count} devices attached at once`,
    timeoutMs: 30_000 + count * 3_000,
    expected: ATTACH_LINES,
    async run(guest) {
      const devices: Record<string, UsbDevice> = {};
      for (let i = 0; i < count; i++) {
        const options = { speed: SPEEDS[i % SPEEDS.length]!, serial: `device-${i}` };
        devices[`device-${i}`] = i % 2 === 0 ? new Zero(options) : new Keyboard(options);
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
