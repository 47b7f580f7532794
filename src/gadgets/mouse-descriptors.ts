import type { Speed } from "../usb/speed.ts";
import { BootProtocol, bootConfigurations, hidDescriptor } from "./hid.ts";

/** Buttons, x, y, wheel. The boot protocol is the first three. */
export const REPORT_LENGTH = 4;
export const BOOT_REPORT_LENGTH = 3;

/** The boot mouse (HID 1.11 §B.2) with a wheel behind it: items as tag and data. */
export const REPORT_DESCRIPTOR: Uint8Array = Uint8Array.from(
  [
    [0x05, 0x01], // Usage Page (Generic Desktop)
    [0x09, 0x02], // Usage (Mouse)
    [0xa1, 0x01], // Collection (Application)
    [0x09, 0x01], //   Usage (Pointer)
    [0xa1, 0x00], //   Collection (Physical)
    [0x05, 0x09], //     Usage Page (Button)
    [0x19, 0x01], //     Usage Minimum (1)
    [0x29, 0x03], //     Usage Maximum (3)
    [0x15, 0x00], //     Logical Minimum (0)
    [0x25, 0x01], //     Logical Maximum (1)
    [0x95, 0x03], //     Report Count (3)
    [0x75, 0x01], //     Report Size (1)
    [0x81, 0x02], //     Input (Data, Variable, Absolute): buttons
    [0x95, 0x01], //     Report Count (1)
    [0x75, 0x05], //     Report Size (5)
    [0x81, 0x01], //     Input (Constant): padding
    [0x05, 0x01], //     Usage Page (Generic Desktop)
    [0x09, 0x30], //     Usage (X)
    [0x09, 0x31], //     Usage (Y)
    [0x09, 0x38], //     Usage (Wheel)
    [0x15, 0x81], //     Logical Minimum (-127)
    [0x25, 0x7f], //     Logical Maximum (127)
    [0x75, 0x08], //     Report Size (8)
    [0x95, 0x03], //     Report Count (3)
    [0x81, 0x06], //     Input (Data, Variable, Relative)
    [0xc0], //   End Collection
    [0xc0], // End Collection
  ].flat(),
);

export const HID_DESCRIPTOR: Uint8Array = hidDescriptor(REPORT_DESCRIPTOR);

export function mouseConfigurations(speed: Speed): readonly Uint8Array[] {
  return bootConfigurations(speed, BootProtocol.mouse, HID_DESCRIPTOR, REPORT_LENGTH);
}
