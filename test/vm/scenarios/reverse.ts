import assert from "node:assert/strict";
import { ATTACH_LINES } from "../attachment.ts";
import type { Guest, GuestProcess } from "../guest.ts";
import { detachByCall, endAgent, portsByCall, waitByCall } from "../own-attachment.ts";
import type { Scenario } from "../scenario.ts";

const WANTED = "0525:a4a0:wanted";

interface DiallingHost {
  readonly process: GuestProcess;
  /** It has said that nobody is there, and dials again from time to time. */
  isInVain: boolean;
}

/** `usbferry serve --connect` in the guest, because nobody can dial into its network from outside. */
async function dialFromGuest(guest: Guest, address: string): Promise<DiallingHost> {
  const gadgets = ["--gadget", "zero,serial=other", "--gadget", "zero,serial=wanted"];
  const argv = ["/node/bin/node", "/repo/dist/src/cli/main.js", "serve", "--connect", address, ...gadgets];
  const host = {
    isInVain: false,
    process: await guest.spawn(argv, (line) => {
      if (line.includes("DIAL_FAILED")) host.isInVain = true;
    }),
  };
  return host;
}

async function kill({ process }: DiallingHost, signal: NodeJS.Signals): Promise<void> {
  await process.kill(signal);
  await process.exit;
}

/** The kernel's own view: every port, also those that a dead agent has left. */
async function untilAttached(guest: Guest, count: number): Promise<void> {
  await guest.waitFor(`${count} attached devices`, async () => {
    const { ports } = await portsByCall(guest);
    return ports.length === count && ports.every(({ state }) => state === "attached");
  });
}

async function assertUsable(guest: Guest, node: string): Promise<void> {
  const result = await guest.call("test/vm/guest/one-transfer.js", "transferOnce", [node, "in"]);
  assert.deepEqual(result, [0, 512]);
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
        const first = await waitByCall(guest, address, WANTED);
        assert.equal(first.busid, "zero-2", "the device that has the serial number");
        await assertUsable(guest, first.node);

        await kill(host, "SIGKILL");
        await untilAttached(guest, 0);
        host = await dialFromGuest(guest, address);
        await untilAttached(guest, 1);
        const { ports } = await portsByCall(guest);
        assert.equal(ports[0]!.busid, "zero-2");
        await assertUsable(guest, ports[0]!.node!);

        await guest.call("test/vm/guest/own-attach.js", "endAgent", ["SIGKILL"]);
        await untilAttached(guest, 0);
        await guest.waitFor("the host to dial in vain", () => host.isInVain);
        const second = await waitByCall(guest, address, WANTED);
        assert.equal(second.busid, "zero-2");
        await assertUsable(guest, second.node);
        await detachByCall(guest, second.port);
        assert.deepEqual(
          await portsByCall(guest),
          { ports: [], waiting: [], wishes: [] },
          "there was one to wait for",
        );

        const { port } = await waitByCall(guest, address);
        await untilAttached(guest, 2);
        await detachByCall(guest, port);
        const left = await portsByCall(guest);
        assert.deepEqual(
          [left.ports.length, left.waiting.length],
          [1, 1],
          "it stays detached, and others are waited for",
        );
      } finally {
        await kill(host, "SIGTERM");
        await guest.call("src/daemon/ports.js", "detachAll", []);
        await endAgent(guest);
      }
    },
  };
}
