export { BOOT_PROTOCOL_NAMES, BOOT_SUBCLASS, CLASS_NAMES, HID_CLASS } from "../usb/class-codes.ts";
