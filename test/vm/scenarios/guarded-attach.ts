import assert from "node:assert/strict";
import { ATTACH_LINES } from "../attachment.ts";
import {
  attachByCall,
  attachByCommand,
  detachByCall,
  endAgent,
  outputOf,
  portsByCall,
} from "../own-attachment.ts";
import type { Scenario } from "../scenario.ts";
import { ServedHost } from "../served-host.ts";

/** The commands of the guest side, as a person runs them. */
export const guardedAttach: Scenario = {
  name: "usbferry attach, ports, detach: guarded and direct",
  timeoutMs: 300_000,
  expected: ATTACH_LINES,
  async run(guest) {
    const host = await ServedHost.start({
      twin: "zero,serial=twin",
      zero: "zero,serial=zero",
      direct: "zero,serial=direct",
    });
    const address = `tcp:${guest.hostAddress}:${host.port}`;
    try {
      const zero = await attachByCommand(guest, address, "0525:a4a0:zero");
      assert.deepEqual([zero.busid, zero.speed], ["zero", "480"]);
      const direct = await attachByCommand(guest, address, "0525:a4a0:direct", "--direct");
      assert.deepEqual([direct.busid, direct.speed], ["direct", "480"]);

      const { ports, waiting } = JSON.parse(await outputOf(guest, "ports", "--json"));
      const common = { state: "attached", speed: "high", vid: "0525", pid: "a4a0", product: "Gadget Zero" };
      const own = { busid: "zero", address, by: "agent", sysfsName: zero.sysfsName };
      assert.deepEqual(ports, [
        { ...common, ...own, port: 0, node: zero.node },
        { ...common, port: 1, by: "other", sysfsName: direct.sysfsName, node: direct.node },
      ]);
      assert.deepEqual(waiting, []);

      assert.deepEqual(JSON.parse(await outputOf(guest, "detach", "1", "--json")), {
        ports: [1],
        wishes: [],
      });
      await assert.rejects(detachByCall(guest, 1), /nothing is attached there/);
      await assert.rejects(attachByCall(guest, address, "nothing"), /has no device "nothing".*usbferry list/);
      await assert.rejects(attachByCall(guest, address, "zero"), /zero is in use/);
      await assert.rejects(
        attachByCall(guest, address, "0525:a4a0:none"),
        /twin has "twin"; direct has "direct"\./,
      );

      assert.equal(await outputOf(guest, "detach", "--all"), "Detached port 0.\n");
      assert.deepEqual(await portsByCall(guest), { ports: [], waiting: [], wishes: [] });
      await endAgent(guest);
      // Three searches have asked two others each, and the second one also gave back what it found.
      const taken = () => host.endings.filter(({ busid }) => busid !== undefined);
      await guest.waitFor("every session to end", () => taken().length === 2 + 2 + 1 + 2 + 1);
      for (const { code } of taken()) assert.equal(code, "OK");
    } finally {
      await host.stop();
    }
  },
};
