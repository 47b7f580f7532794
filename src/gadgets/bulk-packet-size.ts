import { Speed } from "../usb/speed.ts";

/** The largest bulk packets of a speed (USB 2.0 §5.8.3, USB 3.2 table 9-27). Low speed has none. */
export function bulkPacketSize(speed: Speed): number {
  if (speed >= Speed.super) return 1024;
  return speed === Speed.high ? 512 : 64;
}
