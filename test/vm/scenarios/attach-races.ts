import assert from "node:assert/strict";
import { Zero } from "../../../src/gadgets/zero.ts";
import type { UsbDevice } from "../../../src/usb/device.ts";
import { Speed } from "../../../src/usb/speed.ts";
import { ATTACH_LINES } from "../attachment.ts";
import type { Guest } from "../guest.ts";
import { attachByCall, attachDirectByCall, detachByCall, portsByCall } from "../own-attachment.ts";
import type { Scenario } from "../scenario.ts";
import { ServedHost } from "../served-host.ts";

/** Has an agent started before the others come: starting several takes an emulated machine half a minute. */
const FIRST = "first";
const GUARDED = ["guarded-1", "guarded-2", "guarded-3", "guarded-4"];
const DIRECT = ["direct-1", "direct-2", "direct-3", "direct-4"];
const STOCK = ["stock"];

/**
 * The stock tool fails while a port is in use whose device is not in sysfs yet. When its port was taken since it read the
 * list of ports, version 2.0 asks for the same one again without end, so it is ended and started anew.
 */
async function attachByStockTool(guest: Guest, port: number, busid: string): Promise<void> {
  const attach = `timeout 5 usbip --tcp-port ${port} attach -r ${guest.hostAddress} -b ${busid}`;
  await guest.shell(`until ${attach} >/dev/null 2>&1; do usleep 500000; done`, { timeoutMs: 60_000 });
}

/** It reads all ports first, and fails in the same way while others attach and detach. */
async function detachByStockTool(guest: Guest, port: number): Promise<void> {
  await guest.shell(`until usbip detach -p ${port} >/dev/null 2>&1; do usleep 500000; done`, {
    timeoutMs: 60_000,
  });
  await guest.waitFor(`port ${port} to be free`, async () =>
    (await portsByCall(guest)).ports.every((attached) => attached.port !== port),
  );
}

/** Three programs choose ports of one vhci at the same time, and nothing but the kernel keeps them apart. */
export const attachRaces: Scenario = {
  name: `${GUARDED.length + DIRECT.length + STOCK.length} attaches at once, then as many detaches: guarded, direct and by the stock tool`,
  timeoutMs: 120_000,
  expected: [
    ...ATTACH_LINES,
    {
      pattern: /vhci_hcd.*: port \d+ already used/,
      reason: "the kernel tells of each race that somebody lost",
    },
  ],
  async run(guest) {
    const devices: Record<string, UsbDevice> = {};
    for (const [i, busid] of [FIRST, ...GUARDED, ...DIRECT, ...STOCK].entries()) {
      devices[busid] = new Zero({ serial: busid, speed: i % 2 === 0 ? Speed.high : Speed.super });
    }
    const busids = Object.keys(devices);
    const host = await ServedHost.start(devices);
    const address = `tcp:${guest.hostAddress}:${host.port}`;
    try {
      await attachByCall(guest, address, FIRST);
      await Promise.all([
        ...GUARDED.map((busid) => attachByCall(guest, address, busid)),
        ...DIRECT.map((busid) => attachDirectByCall(guest, address, busid)),
        ...STOCK.map((busid) => attachByStockTool(guest, host.port, busid)),
      ]);
      await guest.waitFor("every device to be in sysfs", async () => {
        const { ports } = await portsByCall(guest);
        return ports.every(({ state }) => state === "attached");
      });
      const { ports } = await portsByCall(guest);
      const guarded = ports.flatMap(({ busid }) => busid ?? []);
      assert.deepEqual(guarded.toSorted(), [FIRST, ...GUARDED]);
      assert.equal(ports.length, busids.length);
      const serials = await guest.shell("cat /sys/bus/usb/devices/*/serial");
      for (const busid of busids) assert.match(serials, new RegExp(`^${busid}$`, "m"));
      const [one, other, ...own] = ports.map(({ port }) => port);
      await Promise.all([
        ...own.map((port) => detachByCall(guest, port)),
        ...[one!, other!].map((port) => detachByStockTool(guest, port)),
      ]);
      assert.deepEqual((await portsByCall(guest)).ports, []);
      await guest.waitFor("every session to end", () => host.endings.length >= busids.length);
    } finally {
      await guest.call("src/daemon/ports.js", "detachAll", []);
      await host.stop();
    }
  },
};
