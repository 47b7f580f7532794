/** Defined class codes (usb.org/defined-class-codes), those that people meet. */
export const CLASS_NAMES: ReadonlyMap<number, string> = new Map([
  [0x01, "Audio"],
  [0x02, "Communications"],
  [0x03, "Input device"],
  [0x05, "Physical device"],
  [0x06, "Still camera"],
  [0x07, "Printer"],
  [0x08, "Mass storage"],
  [0x09, "Hub"],
  [0x0a, "Communications data"],
  [0x0b, "Smart card reader"],
  [0x0d, "Content security"],
  [0x0e, "Video"],
  [0x0f, "Personal healthcare"],
  [0x10, "Audio and video"],
  [0x11, "Billboard"],
  [0x12, "USB-C bridge"],
  [0xdc, "Diagnostics"],
  [0xe0, "Wireless controller"],
  [0xef, "Miscellaneous"],
  [0xfe, "Application specific"],
  [0xff, "Vendor specific"],
]);

/** HID 1.11 §4.2: bInterfaceClass and bInterfaceSubClass of a boot interface. */
export const HID_CLASS = 0x03;
export const BOOT_SUBCLASS = 1;

/** HID 1.11 §4.3: bInterfaceProtocol of a boot interface. */
export const BOOT_PROTOCOL_NAMES: ReadonlyMap<number, string> = new Map([
  [1, "Keyboard"],
  [2, "Mouse"],
]);
