import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ATTACH_LINES } from "../attachment.ts";
import { plug, stick } from "../emulated-device.ts";
import { bind, GuestHost, unbindAll } from "../guest-host.ts";
import { attachByCall, detachByCall, readyAgent } from "../own-attachment.ts";
import type { Scenario } from "../scenario.ts";
import { DISK_LINES, driverBack, readAndWrite } from "./shared-sticks.ts";

const MIB = 1 << 20;
const ADDRESS = "ring:/run/hardware.ring";

/** A device of the machine, whose data the kernel takes from shared memory and puts there. */
export function stickOverMemory(mebibytes: number): Scenario {
  return {
    name: `a stick of this machine is read whole and written over shared memory: ${mebibytes} MiB`,
    timeoutMs: 240_000,
    expected: [...ATTACH_LINES, ...DISK_LINES],
    async run(guest) {
      await guest.loadModule("usb-storage", "sd_mod");
      const image = join(guest.folder, "stick-ring");
      await writeFile(image, randomBytes(mebibytes * MIB));
      const plugged = await plug(guest, await stick(guest, image), { controller: "xhci", port: 1 });
      await bind(guest, plugged.busid, true);
      const host = await GuestHost.start(guest, "--listen", ADDRESS);
      await readyAgent(guest);
      const attached = await attachByCall(guest, ADDRESS, plugged.busid).catch((error: unknown) => {
        throw new Error(`the host says:\n${host.log.join("\n")}`, { cause: error });
      });
      await readAndWrite(guest, attached, image);
      await detachByCall(guest, attached.port);
      await host.end("SIGTERM");
      await unbindAll(guest);
      await driverBack(guest, plugged.busid, "usb-storage");
      await plugged.pull();
    },
  };
}
