/** Defined class codes (usb.org/defined-class-codes), those that people meet. */
const CLASS: ReadonlyMap<number, string> = new Map([
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

/** HID 1.11 §4.3: bInterfaceProtocol of a boot interface. */
const BOOT_PROTOCOL: ReadonlyMap<number, string> = new Map([
  [1, "Keyboard"],
  [2, "Mouse"],
]);

const HID = 0x03;
const BOOT_SUBCLASS = 1;
/** bDeviceClass 0: each interface tells its own. */
const PER_INTERFACE = 0;

interface ClassCodes {
  readonly bDeviceClass: number;
  readonly interfaces: readonly {
    readonly bInterfaceClass: number;
    readonly bInterfaceSubClass: number;
    readonly bInterfaceProtocol: number;
  }[];
}

/** What a device is, in a few words: by its interfaces, or by the device class where it lists none. */
export function classWords(device: ClassCodes): string {
  const words = new Set<string>();
  for (const { bInterfaceClass, bInterfaceSubClass, bInterfaceProtocol } of device.interfaces) {
    const boot =
      bInterfaceClass === HID && bInterfaceSubClass === BOOT_SUBCLASS
        ? BOOT_PROTOCOL.get(bInterfaceProtocol)
        : undefined;
    words.add(boot ?? className(bInterfaceClass));
  }
  if (words.size === 0 && device.bDeviceClass !== PER_INTERFACE) words.add(className(device.bDeviceClass));
  return words.size === 0 ? "Unknown" : Array.from(words).join(", ");
}

function className(code: number): string {
  return CLASS.get(code) ?? `Class ${code.toString(16).padStart(2, "0")}`;
}
