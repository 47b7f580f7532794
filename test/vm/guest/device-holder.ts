import { LibuvLoop } from "../../../src/daemon/libuv-loop.ts";
import { DRIVER_CLAIMS, DriverClaims } from "../../../src/daemon/state/driver-claims.ts";
import { StateFolder } from "../../../src/daemon/state/state-folder.ts";
import { repairDrivers } from "../../../src/hardware/usbfs/driver-repair.ts";
import type { UsbHost } from "../../../src/usb/device.ts";
import { readHardware } from "./hardware.ts";
import { type RealSourceName, realSource } from "./real-source.ts";

const NOBODY: UsbHost = { complete: () => {}, unplugged: () => {} };
const silent = { warn: () => {} };

/** What the process that held devices has left to do. Answers an outcome for each claim that was there. */
export async function repair(folder: string, busids: readonly string[]): Promise<string[]> {
  const { store, close } = await new StateFolder(folder).open(DRIVER_CLAIMS);
  const claims = new DriverClaims(store, silent);
  const repairs = await repairDrivers(claims.list(), busids.map(readHardware), new LibuvLoop());
  await claims.forget(claims.list());
  await close();
  return repairs.map(({ claim, outcome, message = "" }) => `${claim.busid} ${outcome} ${message}`.trim());
}

/** Runs in the guest as a program: takes the devices, and gives them back at SIGTERM. FOLDER SOURCE BUSID... */
async function hold(folder: string, source: RealSourceName, busids: readonly string[]): Promise<void> {
  const { store, close } = await new StateFolder(folder).open(DRIVER_CLAIMS);
  const claims = new DriverClaims(store, silent);
  const loop = new LibuvLoop();
  const devices = busids.map((busid) => realSource(source, readHardware(busid), { claims }));
  await Promise.all(
    devices.map(
      (device) =>
        new Promise<void>((resolve, reject) => {
          device.open(NOBODY, loop, (refused) => {
            if (refused === undefined) resolve();
            else reject(new Error(refused.message));
          });
        }),
    ),
  );
  process.once("SIGTERM", () => {
    const closed = devices.map((device) => new Promise<void>((resolve) => device.close(resolve)));
    void Promise.all(closed)
      .then(close)
      .then(() => process.exit());
  });
  console.log("holding");
}

const [, program, folder, source, ...busids] = process.argv;
if (program?.endsWith("device-holder.js") === true) await hold(folder!, source as RealSourceName, busids);
