import type { Speed } from "../usb/speed.ts";

/** A real device as its operating system shows it, without opening it. */
export interface HardwareDevice {
  /** Bus and the ports on the way to it: "1-2.3". It names the socket, not what is plugged into it. */
  readonly busid: string;
  /** Numbers of the bus and, on this bus, of the device: another one each time it is plugged in. */
  readonly busnum: number;
  readonly devnum: number;
  /** Where the operating system keeps it: a folder of sysfs. */
  readonly path: string;
  /** What is opened to use it: "/dev/bus/usb/001/002". */
  readonly node: string;
  readonly speed: Speed;
  /** The device descriptor followed by every configuration with all that belongs to it (USB 2.0 §9.5). */
  readonly descriptors: Uint8Array;
  /** bConfigurationValue of the active configuration, 0 when there is none. */
  readonly configuration: number;
  readonly manufacturer?: string;
  readonly product?: string;
  readonly serial?: string;
  /** Name of a driver that has all of it, and is not the system's usual one. */
  readonly driver?: string;
  /** Who has which interface of the active configuration. */
  readonly interfaces: readonly HardwareInterface[];
  /** Why this process cannot open its node; absent where it can. */
  readonly access?: "missing" | "denied";
  /** It is plugged in elsewhere, and this kernel has imported it. Strings and configurations are then left out. */
  readonly imported?: true;
}

export interface HardwareInterface {
  readonly number: number;
  /** Name of the driver that has it. */
  readonly driver?: string;
}
