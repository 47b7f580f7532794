import assert from "node:assert/strict";
import { ATTACH_LINES } from "../attachment.ts";
import { attachByCall, detachByCall, portsByCall } from "../own-attachment.ts";
import type { Scenario } from "../scenario.ts";
import { ServedHost } from "../served-host.ts";

/** Attaching and detaching again and again leaves nothing behind, on either side. */
export function attachCycles(cycles: number): Scenario {
  return {
    name: `${cycles} cycles of attach and detach, guarded`,
    timeoutMs: 120_000 + cycles * 3_000,
    expected: ATTACH_LINES,
    async run(guest) {
      const host = await ServedHost.start({ zero: "zero,serial=zero" });
      try {
        for (let cycle = 0; cycle < cycles; cycle++) {
          const { port } = await attachByCall(guest, `tcp:${guest.hostAddress}:${host.port}`, "zero");
          assert.equal(port, 0, `cycle ${cycle}`);
          await detachByCall(guest, port);
        }
        assert.deepEqual((await portsByCall(guest)).ports, []);
        await guest.waitFor("every session to end", () => host.endings.length === cycles);
      } finally {
        await host.stop();
      }
    },
  };
}
