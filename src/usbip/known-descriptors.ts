import { DescriptorType, DeviceDescriptor } from "../usb/descriptors.ts";
import { Setup, StandardRequest } from "../usb/setup.ts";
import type { ControlRead } from "../usb/string-reading.ts";
import { TransferStatus } from "../usb/urb.ts";

const GET_FROM_DEVICE = 0x80;
/** As Linux asks for strings: the longest that there can be. */
const STRING_BYTES = 255;

/**
 * What a device says of itself, for a kernel that gets to know it: a far host would be asked for each piece of it, one
 * after the other, while somebody waits. It knows the descriptors, and reads the strings that these name ahead.
 */
export class KnownDescriptors {
  /** By type, index and language of the request. */
  readonly #known = new Map<number, Uint8Array>();
  readonly #descriptors: Uint8Array;

  /** `descriptors` in the form of `UsbDevice`, and whole. */
  constructor(descriptors: Uint8Array) {
    this.#descriptors = descriptors;
    const { DEVICE, CONFIGURATION } = DescriptorType;
    this.#put(DEVICE, 0, 0, descriptors.subarray(0, DeviceDescriptor.size));
    let at = DeviceDescriptor.size;
    for (let index = 0; at + 4 <= descriptors.length; index++) {
      const length = descriptors[at + 2]! | (descriptors[at + 3]! << 8);
      this.#put(CONFIGURATION, index, 0, descriptors.subarray(at, at + length));
      at += Math.max(length, 1);
    }
  }

  /** Asks for the languages, then for all strings of the device at once. */
  readAhead(read: ControlRead): void {
    const { iManufacturer, iProduct, iSerialNumber } = DeviceDescriptor;
    const indexes = [iManufacturer, iProduct, iSerialNumber].map((get) => get(this.#descriptors, 0));
    const named = [...new Set(indexes.filter((index) => index !== 0))];
    if (named.length === 0) return;
    this.#readString(read, 0, 0, (languages) => {
      if (languages.length < 4) return;
      const language = languages[2]! | (languages[3]! << 8);
      for (const index of named) this.#readString(read, index, language, () => {});
    });
  }

  /** What the device would say to this request, if that is known. */
  answer(setup: Uint8Array): Uint8Array | undefined {
    if (Setup.bmRequestType(setup, 0) !== GET_FROM_DEVICE) return undefined;
    if (Setup.bRequest(setup, 0) !== StandardRequest.GET_DESCRIPTOR) return undefined;
    const wValue = Setup.wValue(setup, 0);
    return this.#known
      .get(keyOf(wValue >> 8, wValue & 0xff, Setup.wIndex(setup, 0)))
      ?.subarray(0, Setup.wLength(setup, 0));
  }

  #put(type: number, index: number, language: number, bytes: Uint8Array): void {
    this.#known.set(keyOf(type, index, language), bytes);
  }

  #readString(read: ControlRead, index: number, language: number, done: (bytes: Uint8Array) => void): void {
    const { STRING } = DescriptorType;
    const { GET_DESCRIPTOR } = StandardRequest;
    const wIndex = [language & 0xff, language >> 8] as const;
    const setup = Uint8Array.of(GET_FROM_DEVICE, GET_DESCRIPTOR, index, STRING, ...wIndex, STRING_BYTES, 0);
    read(setup, STRING_BYTES, (status, bytes) => {
      const isWhole = bytes.length >= 2 && bytes[0] === bytes.length && bytes[1] === STRING;
      // Whatever is odd about it the kernel shall hear from the device itself.
      if (status !== TransferStatus.ok || !isWhole) return;
      this.#put(STRING, index, language, bytes);
      done(bytes);
    });
  }
}

function keyOf(type: number, index: number, language: number): number {
  return (type << 24) | (index << 16) | language;
}
