import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ATTACH_LINES } from "../attachment.ts";
import { keyboard, type PluggedKind, serial } from "../device-kinds.ts";
import { plug, stick } from "../emulated-device.ts";
import { type Exporter, OWN_HOST, whileShared } from "../exporting.ts";
import type { Guest } from "../guest.ts";
import { attachByCall, detachByCall, portsByCall } from "../own-attachment.ts";
import { play, type Scenario } from "../scenario.ts";
import { prepareTestBed } from "../test-bed.ts";
import { DISK_LINES, driverBack, readAndWrite } from "./shared-sticks.ts";

const MIB = 1 << 20;

/** What one machine has is used by another one. */
export function twoGuests(stickMiB: number, exporter: Exporter = OWN_HOST): Scenario {
  const lines = [...ATTACH_LINES, ...DISK_LINES, ...exporter.lines];
  return {
    name: `stick, serial adapter and keyboard of one machine are used by another${exporter.words}`,
    timeoutMs: 300_000,
    expected: lines,
    async run(owner) {
      const kinds = [serial, keyboard];
      await owner.loadModule("usb-storage", "sd_mod", ...kinds.flatMap(({ modules }) => modules));
      const image = join(owner.folder, "stick");
      await writeFile(image, randomBytes(stickMiB * MIB));
      const disk = await plug(owner, await stick(owner, image), { controller: "xhci", port: 1 });
      const others: PluggedKind[] = [];
      for (const [i, kind] of kinds.entries()) {
        const { device, judge } = await kind.make(owner);
        others.push({ kind, judge, at: await plug(owner, device, { controller: "xhci", port: 2 + i }) });
      }
      const busids = [disk.busid, ...others.map(({ at }) => at.busid)];
      await whileShared(owner, exporter, busids, async (port) => {
        const user = await (await prepareTestBed()).boot({
          kernel: owner.kernel,
          name: "the other guest",
          modules: ["vhci-hcd", "usb-storage", "sd_mod", ...kinds.flatMap(({ modules }) => modules)],
        });
        try {
          const address = `tcp:${user.hostAddress}:${await owner.publish(port)}`;
          const run = (): Promise<void> => useAll(user, address, disk.busid, image, others);
          await play({ name: "the user's side", expected: lines, timeoutMs: 240_000, run }, user);
        } finally {
          await user.stop();
        }
      });
      for (const { kind, at } of others) await driverBack(owner, at.busid, kind.driver!);
      for (const { at } of others) await at.pull();
      await disk.pull();
    },
  };
}

async function useAll(
  user: Guest,
  address: string,
  disk: string,
  image: string,
  others: readonly PluggedKind[],
): Promise<void> {
  const attachedDisk = await attachByCall(user, address, disk);
  await readAndWrite(user, attachedDisk, image);
  for (const { at, judge } of others) await judge(user, await attachByCall(user, address, at.busid));
  const { ports } = await portsByCall(user);
  assert.equal(ports.length, 1 + others.length, "all are attached at once");
  for (const { port } of ports) await detachByCall(user, port);
}
