import { parseDescriptors } from "../usb/descriptor-walk.ts";
import { DescriptorType } from "../usb/descriptors.ts";
import { Speed } from "../usb/speed.ts";
import { TransferType } from "../usb/urb.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { RecordedDescriptors } from "./recorded-descriptors.ts";

const SPEEDS: ReadonlyMap<number, Speed> = new Map([
  [1_500_000, Speed.low],
  [12_000_000, Speed.full],
  [480_000_000, Speed.high],
  [5_000_000_000, Speed.super],
  [10_000_000_000, Speed.superPlus],
]);

/** Largest packets of full speed: bulk (USB 2.0 §5.8.3) and interrupt (§5.7.3). */
const FULL_SPEED_MAX = 64;

/** The speed that a recording of ours tells (if_speed). */
export function speedOf(bitsPerSecond: number | undefined): Speed | undefined {
  return bitsPerSecond === undefined ? undefined : SPEEDS.get(bitsPerSecond);
}

/**
 * The speed of a device by its descriptors alone: usbmon does not tell it. Low speed looks like full speed, and as a simulated
 * device it is no different.
 */
export function guessSpeed(descriptors: RecordedDescriptors): Speed {
  const parsed = parseDescriptors(descriptors.all);
  if (parsed instanceof ProtocolError) return Speed.full;
  if (parsed.device.bcdUSB >= 0x0300) return Speed.super;
  const endpoints = parsed.configurations.flatMap(({ settings }) =>
    settings.flatMap((each) => each.endpoints),
  );
  const isHigh = endpoints.some(({ descriptor: { bmAttributes, wMaxPacketSize } }) => {
    const type = bmAttributes & 3;
    if (type === TransferType.isochronous) return wMaxPacketSize > 1023;
    return type !== TransferType.control && (wMaxPacketSize & 0x7ff) > FULL_SPEED_MAX;
  });
  // Only a device that is also of the other speed answers this (USB 2.0 §9.6.2).
  const hasQualifier = descriptors.find(DescriptorType.DEVICE_QUALIFIER, 0, 0) !== undefined;
  return isHigh || hasQualifier ? Speed.high : Speed.full;
}
