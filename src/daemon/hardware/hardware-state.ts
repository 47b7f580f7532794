import type { HardwareDevice } from "../../hardware/hardware-device.ts";
import { type DeviceDescription, deviceDescription } from "../device-description.ts";
import { accessAdvice } from "./udev-rule.ts";

/**
 * What becomes of a real device. `free`: shared, and nobody has it. `in-use`: drivers of this machine have it; where it is
 * shared, a program has it that does not let go. `imported`: it is plugged in elsewhere, and attached here.
 */
export const HARDWARE_STATES = ["not-shared", "free", "attached", "in-use", "imported"] as const;
export type HardwareState = (typeof HARDWARE_STATES)[number];

/** Who shares a device, and what stands in the way. */
export interface ShareFacts {
  readonly attached: boolean;
  /** "bound", "--device 1-2", "rule r1" */
  readonly because: string;
}

/** A real device, for people and programs. */
export interface HardwareDescription extends DeviceDescription {
  readonly state: HardwareState;
  readonly manufacturer?: string;
  readonly product?: string;
  readonly serial?: string;
  /** Of this machine, which have it or parts of it. */
  readonly drivers: readonly string[];
  readonly because?: string;
  /** Why it cannot be had, and what to do about it. */
  readonly obstacle?: string;
}

/** Drivers that hold a device on purpose: another program's, or the kernel's own server. */
const HOLDER = "usbfs";

export function describeHardware(
  device: HardwareDevice,
  share: ShareFacts | undefined,
  obstacle: string | undefined = share && accessAdvice(device),
): HardwareDescription {
  const { busid, manufacturer, product, serial } = device;
  return {
    ...deviceDescription(busid, device),
    state: hardwareState(device, share),
    ...(manufacturer !== undefined && { manufacturer }),
    ...(product !== undefined && { product }),
    ...(serial !== undefined && { serial }),
    drivers: driversOf(device),
    ...(share !== undefined && { because: share.because }),
    ...(obstacle !== undefined && { obstacle }),
  };
}

export function hardwareState(device: HardwareDevice, share: ShareFacts | undefined): HardwareState {
  if (device.imported) return "imported";
  const drivers = driversOf(device);
  if (share === undefined) return drivers.length === 0 ? "not-shared" : "in-use";
  if (share.attached) return "attached";
  // Every other driver makes way for a guest.
  return device.driver !== undefined || drivers.includes(HOLDER) ? "in-use" : "free";
}

function driversOf({ driver, interfaces }: HardwareDevice): readonly string[] {
  const drivers = [driver, ...interfaces.map((each) => each.driver)].filter((name) => name !== undefined);
  return Array.from(new Set(drivers));
}
