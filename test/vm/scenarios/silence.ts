import assert from "node:assert/strict";
import { ATTACH_LINES, attach, detachAll, LINK_LOST_LINES } from "../attachment.ts";
import type { Guest, GuestProcess } from "../guest.ts";
import type { Scenario } from "../scenario.ts";

/** docs: the default limit within which a host notices that a peer has fallen silent. */
const LIMIT_MS = 10_000;

/** Keep-alive probes come once a second, and an emulated guest is slow to say so. */
const SLACK_MS = 3_000;

const PORT = 3240;

/** `usbferry serve` as a process of the guest itself; `lost` tells when the log told that a session lost its link. */
async function serveInGuest(
  guest: Guest,
): Promise<{ readonly process: GuestProcess; readonly lost: Map<string, number> }> {
  const lost = new Map<string, number>();
  let listening = false;
  const argv = [
    "serve",
    "--listen",
    `tcp:127.0.0.1:${PORT}`,
    "--gadget",
    "zero,serial=zero",
    "--gadget",
    "keyboard,serial=keyboard",
  ];
  const process = await guest.spawn(guest.nodeProgram("src/cli/main.js", ...argv), (line, atMs, source) => {
    if (source === "stdout") listening = true;
    else if (line.startsWith("{")) {
      const { code, busid }: { code?: string; busid?: string } = JSON.parse(line);
      if (code === "LINK_LOST" && busid !== undefined) lost.set(busid, atMs);
    }
  });
  await guest.waitFor("usbferry to serve", () => listening);
  return { process, lost };
}

/**
 * The network between both sides goes silent: no reset, no answer. Both sides are in the guest, because the
 * network of the virtual machine ends its TCP connections in QEMU and would answer for a silent guest.
 */
export const silentCut: Scenario = {
  name: "a silent cut is noticed within the limit, idle and in mid-traffic",
  timeoutMs: 120_000,
  expected: [...ATTACH_LINES, ...LINK_LOST_LINES],
  async run(guest) {
    const { process, lost } = await serveInGuest(guest);
    let stream: GuestProcess | undefined;
    try {
      const [zero] = await attach(guest, PORT, ["zero", "keyboard"], "127.0.0.1");
      let streaming = false;
      stream = await guest.spawn(guest.nodeProgram("test/vm/guest/stream.js", zero!.node), (line) => {
        if (line === "streaming") streaming = true;
      });
      await guest.waitFor("data to flow", () => streaming);

      const cutMs = performance.now();
      await guest.shell("ip link set lo down");
      await guest.waitFor("both sessions to end", () => lost.size === 2, 2 * LIMIT_MS);
      for (const [busid, lostMs] of lost) {
        console.log(`${busid}: the host noticed after ${Math.round(lostMs - cutMs)} ms`);
        assert.ok(lostMs - cutMs < LIMIT_MS + SLACK_MS, `${busid}: noticed after ${lostMs - cutMs} ms`);
      }

      await guest.shell("ip link set lo up");
      const list = await guest.shell(`usbip list -r 127.0.0.1 2>/dev/null`);
      for (const busid of ["zero", "keyboard"]) assert.match(list, new RegExp(`${busid}: `));
    } finally {
      await guest.shell("ip link set lo up");
      await process.kill();
      await process.exit;
    }
    // Only this end knows, where the guest waits for answers and has nothing to send: the stock tool's keep-alive
    // takes hours.
    await detachAll(guest);
    await stream.exit;
  },
};
