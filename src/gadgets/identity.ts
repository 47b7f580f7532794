import type { Speed } from "../usb/speed.ts";

/** What can be chosen for every kind of gadget; each kind has its own defaults. */
export interface GadgetIdentity {
  readonly speed?: Speed;
  readonly vendorId?: number;
  readonly productId?: number;
  /** Default: none. At most 126 UTF-16 units. */
  readonly serial?: string;
}

export const MANUFACTURER = "usbferry";

/** bcdDevice of every gadget. */
export const RELEASE = 0x0100;
