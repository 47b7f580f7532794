import { readFileSync } from "node:fs";
import { join } from "node:path";
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
import { Speed } from "../usb/speed.ts";
import { TransferStatus } from "../usb/urb.ts";
import type { DeviceCalls } from "./device-calls.ts";
import type { HardwareDevice } from "./hardware-device.ts";

/** The kernel had them before, so that the device answers. */
const TIMEOUT_MS = 200;

/** What Linux knows that a device does not stand (linux: include/linux/usb/quirks.h). */
const Quirk = { STRING_FETCH_255: 1 << 0, DEVICE_QUALIFIER: 1 << 8, NO_BOS: 1 << 17 } as const;

/** Who makes the calls; see HostCalls. */
export interface Calls {
  run(fill: (calls: DeviceCalls) => void, done: (calls: DeviceCalls) => void): void;
}

/** The device stalls the request. */
export const STALLED = "stalled";

/**
 * What a device that is about to be reset says of itself. Who takes a device asks for that first of all, and a reset takes a
 * third of a second.
 */
export class ToldDescriptors {
  readonly #hardware: HardwareDevice;
  readonly #told = new Map<number, Uint8Array | typeof STALLED>();

  constructor(hardware: HardwareDevice) {
    this.#hardware = hardware;
  }

  /** Asks for what the kernel has asked, and for no string for which it had no answer. */
  read(calls: Calls, done: () => void): void {
    const quirks = quirksOf(this.#hardware);
    const named = (quirks & Quirk.STRING_FETCH_255) === 0 ? namedStrings(this.#hardware) : [];
    const languages = named.length > 0 ? [LANGUAGES] : [];
    this.#ask(calls, [...languages, ...questionsByVersion(this.#hardware, quirks)], () => {
      const told = this.#told.get(keyOf(LANGUAGES));
      this.#ask(calls, told instanceof Uint8Array ? stringQuestions(named, told) : [], done);
    });
  }

  /** What the device has said to this request, if it has been asked. */
  answer(setup: Uint8Array): Uint8Array | typeof STALLED | undefined {
    const question = questionOf(setup);
    return question && this.#told.get(keyOf(question));
  }

  #ask(calls: Calls, questions: readonly DescriptorQuestion[], done: () => void): void {
    if (questions.length === 0) {
      done();
      return;
    }
    let asked: number[] = [];
    calls.run(
      (list) => {
        asked = questions.map((question) => list.controlIn(setupOf(question), ANSWER_BYTES, TIMEOUT_MS));
      },
      (list) => {
        for (const [i, place] of asked.entries()) {
          const question = questions[i]!;
          const bytes = list.answer(place);
          // What is odd about an answer, whoever wants it shall see for himself.
          if (isWhole(question, bytes)) this.#told.set(keyOf(question), bytes);
          else if (list.status(place) === TransferStatus.stall) this.#told.set(keyOf(question), STALLED);
        }
        done();
      },
    );
  }
}

function quirksOf({ path }: HardwareDevice): number {
  try {
    return Number(readFileSync(join(path, "quirks"), "latin1")) || 0;
  } catch {
    return 0;
  }
}

function namedStrings({ descriptors, manufacturer, product, serial }: HardwareDevice): readonly number[] {
  const { iManufacturer, iProduct, iSerialNumber } = DeviceDescriptor;
  return [
    manufacturer === undefined ? 0 : iManufacturer(descriptors, 0),
    product === undefined ? 0 : iProduct(descriptors, 0),
    serial === undefined ? 0 : iSerialNumber(descriptors, 0),
  ].filter((index) => index !== 0);
}

/** The qualifier (check_highspeed of Linux' hub driver) and the BOS. */
function questionsByVersion({ descriptors, speed }: HardwareDevice, quirks: number): DescriptorQuestion[] {
  const version = DeviceDescriptor.bcdUSB(descriptors, 0);
  const isQualified = speed === Speed.full && version >= 0x0200 && (quirks & Quirk.DEVICE_QUALIFIER) === 0;
  const hasBos = version >= 0x0201 && (quirks & Quirk.NO_BOS) === 0;
  const { DEVICE_QUALIFIER, BOS } = DescriptorType;
  const types = [...(isQualified ? [DEVICE_QUALIFIER] : []), ...(hasBos ? [BOS] : [])];
  return types.map((type) => ({ type, index: 0, language: 0 }));
}
