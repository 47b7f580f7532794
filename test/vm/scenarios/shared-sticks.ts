import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { AttachedDevice } from "../../../src/daemon/attach.ts";
import { ATTACH_LINES } from "../attachment.ts";
import { blockDevice } from "../disk.ts";
import { type PluggedDevice, plug, stick } from "../emulated-device.ts";
import { type Exporter, OWN_HOST, whileShared } from "../exporting.ts";
import type { Guest } from "../guest.ts";
import { attachByCall, detachByCall } from "../own-attachment.ts";
import type { Scenario } from "../scenario.ts";
import type { ControllerName } from "../usb-controllers.ts";

const MIB = 1 << 20;

/** Sizes of the sticks, in MiB. */
export type Sticks = Readonly<Record<ControllerName, number>>;

/** Sticks of this machine come back to it through the whole path, and are read and written as they are. */
export function sticks(sizes: Partial<Sticks>, exporter: Exporter = OWN_HOST): Scenario {
  const words = Object.entries(sizes).map(([name, size]) => `${size} MiB on ${name}`);
  return {
    name: `sticks are read whole and written: ${words.join(", ")}${exporter.words}`,
    timeoutMs: 300_000,
    expected: [...ATTACH_LINES, ...exporter.lines, ...DISK_LINES],
    async run(guest) {
      await guest.loadModule("usb-storage", "sd_mod");
      const plugged: { readonly image: string; readonly device: PluggedDevice }[] = [];
      for (const [controller, size] of Object.entries(sizes) as [ControllerName, number][]) {
        const image = join(guest.folder, `stick-${controller}`);
        await writeFile(image, randomBytes(size * MIB));
        const place = { controller, port: 1 };
        plugged.push({ image, device: await plug(guest, await stick(guest, image, controller), place) });
      }
      const busids = plugged.map(({ device }) => device.busid);
      await whileShared(guest, exporter, busids, async (port) => {
        for (const { image, device } of plugged) {
          const attached = await attachByCall(guest, `tcp:127.0.0.1:${port}`, device.busid);
          await readAndWrite(guest, attached, image);
          await detachByCall(guest, attached.port);
        }
      });
      for (const { device } of plugged) {
        await driverBack(guest, device.busid, "usb-storage");
        await device.pull();
      }
    },
  };
}

/** What usb-storage and sd say of disks that come and go. */
export const DISK_LINES = [{ pattern: /^(usb-storage|scsi|sd) /, reason: "they speak of each disk" }];

/** Reads the whole stick, and writes what must be found in its image. */
export async function readAndWrite(
  guest: Guest,
  attached: Pick<AttachedDevice, "busid" | "sysfsName">,
  image: string,
  path = "/tmp/written",
): Promise<void> {
  const node = await blockDevice(guest, attached.sysfsName);
  const content = await readFile(image);
  const started = performance.now();
  const sum = await guest.shell(`dd if=${node} bs=1M iflag=direct 2>/dev/null | sha256sum`, {
    timeoutMs: 240_000,
  });
  const seconds = (performance.now() - started) / 1000;
  assert.equal(sum.split(" ")[0], createHash("sha256").update(content).digest("hex"));
  console.log(
    `${content.length / MIB} MiB on ${attached.busid}: ${(content.length / MIB / seconds).toFixed(1)} MiB/s`,
  );
  const written = randomBytes(256 * 1024);
  await guest.writeFile(path, written);
  await guest.shell(`dd if=${path} of=${node} bs=64k seek=1 oflag=direct conv=notrunc 2>/dev/null; sync`);
  written.copy(content, 65_536);
  assert.ok(content.equals(await readFile(image)), "the image is what was read and written");
}

/** The guest's own driver has its device back. */
export async function driverBack(guest: Guest, busid: string, driver: string): Promise<void> {
  const link = `/sys/bus/usb/devices/${busid}:1.0/driver`;
  await guest.waitFor(`${driver} to have ${busid} back`, `[ "$(basename $(readlink ${link}))" = ${driver} ]`);
}
