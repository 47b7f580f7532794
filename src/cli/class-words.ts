import { BOOT_PROTOCOL_NAMES, BOOT_SUBCLASS, CLASS_NAMES, HID_CLASS } from "../daemon/class-names.ts";

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
      bInterfaceClass === HID_CLASS && bInterfaceSubClass === BOOT_SUBCLASS
        ? BOOT_PROTOCOL_NAMES.get(bInterfaceProtocol)
        : undefined;
    words.add(boot ?? className(bInterfaceClass));
  }
  if (words.size === 0 && device.bDeviceClass !== PER_INTERFACE) words.add(className(device.bDeviceClass));
  return words.size === 0 ? "Unknown" : Array.from(words).join(", ");
}

function className(code: number): string {
  return CLASS_NAMES.get(code) ?? `Class ${code.toString(16).padStart(2, "0")}`;
}
