import type { HardwareDevice } from "./hardware-device.ts";

/** Hears what becomes of the devices of this machine. */
export interface HardwareListener {
  plugged(device: HardwareDevice): void;
  /** The same device has other drivers, another configuration, or can be opened at last. */
  changed(device: HardwareDevice): void;
  unplugged(device: HardwareDevice): void;
}

export interface WatchListener extends HardwareListener {
  /** Nothing will be heard any more. */
  deaf(cause: Error): void;
}

/** How it is known what is plugged in: the kernel tells, libusb tells, or it is looked again and again. */
export const ARRIVALS = ["events", "hotplug", "polling"] as const;
export type Arrivals = (typeof ARRIVALS)[number];

/** Follows the devices of this machine. */
export interface DeviceWatch {
  readonly arrivals: Arrivals;
  readonly devices: readonly HardwareDevice[];
  /** Looks at every device once more, for what is not told. */
  look(): Promise<void>;
  close(): void;
}
