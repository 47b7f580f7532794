import {
  ANSWER_BYTES,
  type DescriptorQuestion,
  isWhole,
  keyOf,
  LANGUAGES,
  questionOf,
  setupOf,
  stringQuestions,
} from "../usb/descriptor-question.ts";
import { DescriptorType, DeviceDescriptor } from "../usb/descriptors.ts";
import { Setup } from "../usb/setup.ts";
import type { ControlRead } from "../usb/string-reading.ts";
import { TransferStatus } from "../usb/urb.ts";

/** What a device would say: its bytes, or that it stalls. */
export type KnownAnswer = Uint8Array | typeof TransferStatus.stall;

/**
 * What a device says of itself, for a kernel that gets to know it: a far host would be asked for each piece of it, one
 * after the other, while somebody waits. It knows the descriptors, and reads ahead what else is asked for.
 */
export class KnownDescriptors {
  readonly #known = new Map<number, KnownAnswer>();
  readonly #descriptors: Uint8Array;

  /** `descriptors` in the form of `UsbDevice`, and whole. */
  constructor(descriptors: Uint8Array) {
    this.#descriptors = descriptors;
    const { DEVICE, CONFIGURATION } = DescriptorType;
    this.#put(DEVICE, 0, descriptors.subarray(0, DeviceDescriptor.size));
    let at = DeviceDescriptor.size;
    for (let index = 0; at + 4 <= descriptors.length; index++) {
      const length = descriptors[at + 2]! | (descriptors[at + 3]! << 8);
      this.#put(CONFIGURATION, index, descriptors.subarray(at, at + length));
      at += Math.max(length, 1);
    }
  }

  /** Asks for the languages, then for all strings of the device at once. */
  readAhead(read: ControlRead): void {
    const { iManufacturer, iProduct, iSerialNumber } = DeviceDescriptor;
    const named = [iManufacturer, iProduct, iSerialNumber].map((get) => get(this.#descriptors, 0));
    if (named.every((index) => index === 0)) return;
    this.#ask(read, LANGUAGES, (languages) => {
      for (const question of stringQuestions(named, languages)) this.#ask(read, question, () => {});
    });
  }

  /**
   * The device has stalled a request. One that has no qualifier is asked three times by Linux; ahead nobody asks for it,
   * since there are devices that do not stand that, and the kernel knows them.
   */
  stalled(setup: Uint8Array): void {
    const question = questionOf(setup);
    if (question?.type === DescriptorType.DEVICE_QUALIFIER)
      this.#known.set(keyOf(question), TransferStatus.stall);
  }

  /** What the device would say to this request, if that is known. */
  answer(setup: Uint8Array): KnownAnswer | undefined {
    const question = questionOf(setup);
    const known = question && this.#known.get(keyOf(question));
    return known instanceof Uint8Array ? known.subarray(0, Setup.wLength(setup, 0)) : known;
  }

  #put(type: number, index: number, bytes: Uint8Array): void {
    this.#known.set(keyOf({ type, index, language: 0 }), bytes);
  }

  #ask(read: ControlRead, question: DescriptorQuestion, done: (bytes: Uint8Array) => void): void {
    read(setupOf(question), ANSWER_BYTES, (status, bytes) => {
      // Whatever is odd about it the kernel shall hear from the device itself.
      if (status !== TransferStatus.ok || !isWhole(question, bytes)) return;
      this.#known.set(keyOf(question), bytes);
      done(bytes);
    });
  }
}
