import { BOOT_PROTOCOL_NAMES, BOOT_SUBCLASS, CLASS_NAMES, HID_CLASS } from "../daemon/class-names.ts";
import type { Device, GadgetKind, WantedDevice } from "./api.ts";
import type { IconName } from "./icon.tsx";

const GADGET_NAMES: Readonly<Record<string, string>> = {
  keyboard: "Keyboard",
  mouse: "Mouse",
  disk: "Disk",
  audio: "Sound card",
  serial: "Serial port",
  zero: "Gadget zero",
};

/** Icons of the classes of USB; of the device class where interfaces tell nothing. */
const CLASS_ICONS: ReadonlyMap<number, IconName> = new Map([
  [0x01, "audio"],
  [0x02, "serial"],
  [0x03, "input"],
  [0x06, "camera"],
  [0x07, "printer"],
  [0x08, "disk"],
  [0x09, "hub"],
  [0x0a, "serial"],
  [0x0b, "card"],
  [0x0e, "camera"],
  [0x10, "audio"],
  [0xe0, "radio"],
]);

const HUB_CLASS = 0x09;

/** What a person calls it: its own strings, then the list of USB IDs, then what it is. */
export function deviceName(device: Device): string {
  const { manufacturer, product, name, gadget } = device;
  if (gadget !== undefined) return GADGET_NAMES[gadget] ?? gadget;
  if (product !== undefined && manufacturer !== undefined && !product.startsWith(manufacturer)) {
    return printable(`${manufacturer} ${product}`);
  }
  return printable(product ?? name ?? classWords(device));
}

export function wantedName({ name, device }: WantedDevice): string {
  return printable(name ?? device);
}

/** By the interfaces, or by the device class where it lists none. */
export function classWords(device: Device): string {
  const words = new Set<string>();
  for (const { bInterfaceClass, bInterfaceSubClass, bInterfaceProtocol } of device.interfaces) {
    const isBoot = bInterfaceClass === HID_CLASS && bInterfaceSubClass === BOOT_SUBCLASS;
    const boot = isBoot ? BOOT_PROTOCOL_NAMES.get(bInterfaceProtocol) : undefined;
    words.add(boot ?? className(bInterfaceClass));
  }
  if (words.size === 0 && device.bDeviceClass !== 0) words.add(className(device.bDeviceClass));
  return words.size === 0 ? "Unknown" : Array.from(words).join(", ");
}

function className(code: number): string {
  return CLASS_NAMES.get(code) ?? `Class ${code.toString(16).padStart(2, "0")}`;
}

export function deviceIcon(device: Device): IconName {
  const words = classWords(device);
  if (words.includes("Keyboard")) return "keyboard";
  if (words.includes("Mouse")) return "mouse";
  const codes = [...device.interfaces.map((each) => each.bInterfaceClass), device.bDeviceClass];
  for (const code of codes) {
    const icon = CLASS_ICONS.get(code);
    if (icon !== undefined) return icon;
  }
  return "usb";
}

/** Sharing one takes everything behind it away: that is for a person at the command line. */
export function isHub({ bDeviceClass }: Device): boolean {
  return bDeviceClass === HUB_CLASS;
}

export function gadgetName({ name }: GadgetKind): string {
  return GADGET_NAMES[name] ?? name;
}

export function speedWords(speed: string): string {
  const megabits: Readonly<Record<string, string>> = {
    low: "1.5 Mbit/s",
    full: "12 Mbit/s",
    high: "480 Mbit/s",
    super: "5 Gbit/s",
    "super-plus": "10 Gbit/s or more",
  };
  return megabits[speed] ?? speed;
}

/** Strings of a device may hold anything, also what turns a line around. */
function printable(text: string): string {
  return (
    text
      .replaceAll(/[\p{Cc}\p{Cf}]/gu, "")
      .trim()
      .slice(0, 120) || "Nameless device"
  );
}
