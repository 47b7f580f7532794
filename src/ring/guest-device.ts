import type { Speed } from "../usb/speed.ts";
/** A device that the host of a ring shares. */
export interface RingDevice {
  readonly speed: Speed;
}
