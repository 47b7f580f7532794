import { Speed } from "../usb/speed.ts";
import { SpeedCode } from "./pdu.ts";

const CODES: readonly (readonly [Speed, number])[] = [
  [Speed.low, SpeedCode.USB_SPEED_LOW],
  [Speed.full, SpeedCode.USB_SPEED_FULL],
  [Speed.high, SpeedCode.USB_SPEED_HIGH],
  [Speed.super, SpeedCode.USB_SPEED_SUPER],
  [Speed.superPlus, SpeedCode.USB_SPEED_SUPER_PLUS],
];

const toCode = new Map(CODES);
const toSpeed = new Map(CODES.map(([speed, code]) => [code, speed]));

export function speedCodeOf(speed: Speed): number {
  return toCode.get(speed)!;
}

/** Nothing for 0 (unknown), 4 (wireless) and numbers that mean nothing: no kernel attaches those as they are. */
export function speedOfCode(code: number): Speed | undefined {
  return toSpeed.get(code);
}
