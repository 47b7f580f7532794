import { DescriptorType } from "./descriptors.ts";

/** English (United States), the one language of our devices. */
export const LANGUAGE_ID = 0x0409;

/** Most UTF-16 units in one string descriptor: bLength is a byte, two of them are the header. */
export const STRING_UNITS_MAX = 126;

/** String descriptor zero: the languages (USB 2.0 §9.6.7). */
export const LANGUAGES: Uint8Array = Uint8Array.of(
  4,
  DescriptorType.STRING,
  LANGUAGE_ID & 0xff,
  LANGUAGE_ID >> 8,
);

/** UTF-16LE without a terminator (USB 2.0 §9.6.7). Ends after STRING_UNITS_MAX units. */
export function stringDescriptor(text: string): Uint8Array {
  const units = Math.min(text.length, STRING_UNITS_MAX);
  const bytes = new Uint8Array(2 + 2 * units);
  bytes[0] = bytes.length;
  bytes[1] = DescriptorType.STRING;
  for (let i = 0; i < units; i++) {
    const unit = text.charCodeAt(i);
    bytes[2 + 2 * i] = unit;
    bytes[3 + 2 * i] = unit >> 8;
  }
  return bytes;
}
