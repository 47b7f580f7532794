import type { DeviceCalls } from "./device-calls.ts";

/** Which drivers a device was taken from: what has to be known to give it back when this process has died with it. */
export interface DriverClaim {
  readonly busid: string;
  readonly idVendor: number;
  readonly idProduct: number;
  readonly serial?: string;
  /** bConfigurationValue. */
  readonly configuration: number;
  readonly drivers: readonly ClaimedInterface[];
}

export interface ClaimedInterface {
  readonly interfaceNumber: number;
  readonly driver: string;
}

/** Keeps claims where they outlive this process. */
export interface ClaimKeeper {
  /** The device is about to be taken; `kept` runs when a crash can no longer lose the claim, or when it cannot be kept. */
  taking(claim: DriverClaim, kept: () => void): void;
  /** The drivers have it back, or it is gone. */
  returned(claim: DriverClaim): void;
}

/** Adds the calls that reset the device, and let the drivers have it that it was taken from. No interface may be claimed. */
export function restoreDrivers(calls: DeviceCalls, claim: DriverClaim, configuration: number): void {
  calls.reset([]);
  // With a new configuration the kernel looks for drivers by itself.
  if (configuration !== claim.configuration) calls.setConfiguration(claim.configuration);
  else for (const { interfaceNumber } of claim.drivers) calls.connect(interfaceNumber);
}
