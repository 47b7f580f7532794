import { SystemError } from "../../linux/system-error.ts";
import { DeviceDescriptor } from "../../usb/descriptors.ts";
import type { OpenError } from "../../usb/device.ts";
import type { Loop } from "../../usb/loop.ts";
import { failedRefusal } from "../device-refusal.ts";
import { type DriverClaim, restoreDrivers } from "../driver-claim.ts";
import type { HardwareDevice } from "../hardware-device.ts";
import { HostCalls } from "../host-calls.ts";
import { UsbfsCalls } from "./usbfs-calls.ts";

/** What became of one device that a process had taken and not given back. */
export interface Repair {
  readonly claim: DriverClaim;
  /**
   * `repaired`: its drivers have it. `fine`: they had it already, or somebody else has. `absent`: it is not plugged in,
   * and will find its drivers when it is. `failed`: `message` tells why.
   */
  readonly outcome: "repaired" | "fine" | "absent" | "failed";
  readonly message?: string;
}

const USBFS = "usbfs";
const nothing = (): void => {};

/** Gives devices back that a process which was killed had taken, as far as they are the same and still have no driver. */
export function repairDrivers(
  claims: readonly DriverClaim[],
  present: readonly HardwareDevice[],
  loop: Loop,
): Promise<Repair[]> {
  return Promise.all(
    claims.map(async (claim): Promise<Repair> => {
      const device = present.find((candidate) => isOf(claim, candidate));
      if (device === undefined) return { claim, outcome: "absent" };
      if (!needsRepair(claim, device)) return { claim, outcome: "fine" };
      const failed = await repair(claim, device, loop);
      return failed === undefined
        ? { claim, outcome: "repaired" }
        : { claim, outcome: "failed", message: failed.message };
    }),
  );
}

/** The busid alone names a socket, not what is in it. */
function isOf(claim: DriverClaim, { busid, descriptors, serial }: HardwareDevice): boolean {
  return (
    busid === claim.busid &&
    serial === claim.serial &&
    DeviceDescriptor.idVendor(descriptors, 0) === claim.idVendor &&
    DeviceDescriptor.idProduct(descriptors, 0) === claim.idProduct
  );
}

function needsRepair(claim: DriverClaim, { configuration, interfaces }: HardwareDevice): boolean {
  // Another program has it, or another host.
  if (interfaces.some(({ driver }) => driver === USBFS)) return false;
  if (configuration !== claim.configuration) return true;
  return claim.drivers.some(({ interfaceNumber }) =>
    interfaces.some(({ number, driver }) => number === interfaceNumber && driver === undefined),
  );
}

function repair(claim: DriverClaim, device: HardwareDevice, loop: Loop): Promise<OpenError | undefined> {
  const calls = UsbfsCalls.of(device);
  if (calls instanceof SystemError) return Promise.resolve(failedRefusal(device, calls));
  const hostCalls = new HostCalls(calls, loop, { began: nothing, ended: nothing, idle: () => calls.free() });
  return new Promise((resolve) => {
    let place = 0;
    hostCalls.run(
      () => {
        place = calls.open();
      },
      () => {
        const refused = calls.opened(place);
        if (refused !== undefined) {
          resolve(refused);
          return;
        }
        hostCalls.run(
          () => {
            restoreDrivers(calls, claim, device.configuration);
            calls.close();
          },
          () => resolve(undefined),
        );
      },
    );
  });
}
