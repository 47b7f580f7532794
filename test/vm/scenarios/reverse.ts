import assert from "node:assert/strict";
import { ATTACH_LINES } from "../attachment.ts";
import type { Guest, GuestProcess } from "../guest.ts";
import { detachByCall, endAgent, portsByCall, waitByCall } from "../own-attachment.ts";
import type { Scenario } from "../scenario.ts";

/** `usbferry serve --connect` in the guest, because nobody can dial into its network from outside. */
async function dialFromGuest(guest: Guest, address: string): Promise<GuestProcess> {
  const argv = ["serve", "--connect", address, "--gadget", "zero,serial=zero"];
  return guest.spawn(["/node/bin/node", "/repo/dist/src/cli/main.js", ...argv], () => {});
}

async function kill(process: GuestProcess, signal: NodeJS.Signals): Promise<void> {
  await process.kill(signal);
  await process.exit;
}

async function untilAttached(guest: Guest, count: number): Promise<void> {
  await guest.waitFor(`${count} attached devices`, async () => {
    const { ports } = await portsByCall(guest);
    return ports.filter(({ state }) => state === "attached").length === count;
  });
}

/** The host dials and the guest waits; either of them may be started again. */
export function reverse(address: string): Scenario {
  return {
    name: `a host that dials ${address.split(":")[0]}: is attached again after a restart of either side`,
    timeoutMs: 300_000,
    expected: ATTACH_LINES,
    async run(guest) {
      let host = await dialFromGuest(guest, address);
      try {
        const first = await waitByCall(guest, address);
        assert.equal(first.busid, "zero");

        await kill(host, "SIGKILL");
        await untilAttached(guest, 0);
        host = await dialFromGuest(guest, address);
        await untilAttached(guest, 1);

        await guest.call("test/vm/guest/own-attach.js", "endAgent", ["SIGKILL"]);
        await untilAttached(guest, 0);
        const { port } = await waitByCall(guest, address);

        await detachByCall(guest, port);
        const { ports, waiting } = await portsByCall(guest);
        assert.deepEqual([ports, waiting.length], [[], 1], "it stays detached, and others are waited for");
      } finally {
        await kill(host, "SIGTERM");
        await guest.call("src/daemon/ports.js", "detachAll", []);
        await endAgent(guest);
      }
    },
  };
}
