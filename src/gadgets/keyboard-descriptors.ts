import type { Speed } from "../usb/speed.ts";
import { BootProtocol, bootConfigurations, hidDescriptor } from "./hid.ts";

/** Modifiers, a reserved byte, six keys. */
export const REPORT_LENGTH = 8;

/** The boot keyboard (HID 1.11 §B.1): items as tag and data. */
export const REPORT_DESCRIPTOR: Uint8Array = Uint8Array.from(
  [
    [0x05, 0x01], // Usage Page (Generic Desktop)
    [0x09, 0x06], // Usage (Keyboard)
    [0xa1, 0x01], // Collection (Application)
    [0x05, 0x07], //   Usage Page (Keyboard)
    [0x19, 0xe0], //   Usage Minimum (Left Control)
    [0x29, 0xe7], //   Usage Maximum (Right GUI)
    [0x15, 0x00], //   Logical Minimum (0)
    [0x25, 0x01], //   Logical Maximum (1)
    [0x75, 0x01], //   Report Size (1)
    [0x95, 0x08], //   Report Count (8)
    [0x81, 0x02], //   Input (Data, Variable, Absolute): modifiers
    [0x75, 0x08], //   Report Size (8)
    [0x95, 0x01], //   Report Count (1)
    [0x81, 0x01], //   Input (Constant): reserved byte
    [0x05, 0x08], //   Usage Page (LEDs)
    [0x19, 0x01], //   Usage Minimum (Num Lock)
    [0x29, 0x05], //   Usage Maximum (Kana)
    [0x75, 0x01], //   Report Size (1)
    [0x95, 0x05], //   Report Count (5)
    [0x91, 0x02], //   Output (Data, Variable, Absolute): LEDs
    [0x75, 0x03], //   Report Size (3)
    [0x95, 0x01], //   Report Count (1)
    [0x91, 0x01], //   Output (Constant): padding
    [0x05, 0x07], //   Usage Page (Keyboard)
    [0x19, 0x00], //   Usage Minimum (0)
    [0x29, 0x65], //   Usage Maximum (Application)
    [0x15, 0x00], //   Logical Minimum (0)
    [0x25, 0x65], //   Logical Maximum (101)
    [0x75, 0x08], //   Report Size (8)
    [0x95, 0x06], //   Report Count (6)
    [0x81, 0x00], //   Input (Data, Array): keys
    [0xc0], // End Collection
  ].flat(),
);

export const HID_DESCRIPTOR: Uint8Array = hidDescriptor(REPORT_DESCRIPTOR);

export function keyboardConfigurations(speed: Speed): readonly Uint8Array[] {
  return bootConfigurations(speed, BootProtocol.keyboard, HID_DESCRIPTOR, REPORT_LENGTH);
}
