import {
  ANSWER_BYTES,
  type DescriptorQuestion,
  isWhole,
  keyOf,
  LANGUAGES,
  questionOf,
  questionsByVersion,
  setupOf,
  stringQuestions,
} from "../../usb/descriptor-question.ts";
import { DeviceDescriptor } from "../../usb/descriptors.ts";
import type { HardwareDevice } from "../hardware-device.ts";
import type { DeviceCalls } from "./device-calls.ts";

/** The kernel had them before, so that the device answers. */
const TIMEOUT_MS = 200;
const EPIPE = 32;

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
  read(calls: Calls, fd: number, done: () => void): void {
    const { descriptors, speed, manufacturer, product, serial } = this.#hardware;
    const { iManufacturer, iProduct, iSerialNumber } = DeviceDescriptor;
    const named = [
      manufacturer === undefined ? 0 : iManufacturer(descriptors, 0),
      product === undefined ? 0 : iProduct(descriptors, 0),
      serial === undefined ? 0 : iSerialNumber(descriptors, 0),
    ];
    const languages = named.some((index) => index !== 0) ? [LANGUAGES] : [];
    this.#ask(calls, fd, [...languages, ...questionsByVersion(descriptors, speed)], () => {
      const told = this.#told.get(keyOf(LANGUAGES));
      this.#ask(calls, fd, told instanceof Uint8Array ? stringQuestions(named, told) : [], done);
    });
  }

  /** What the device has said to this request, if it has been asked. */
  answer(setup: Uint8Array): Uint8Array | typeof STALLED | undefined {
    const question = questionOf(setup);
    return question && this.#told.get(keyOf(question));
  }

  #ask(calls: Calls, fd: number, questions: readonly DescriptorQuestion[], done: () => void): void {
    if (questions.length === 0) {
      done();
      return;
    }
    let asked: ReturnType<DeviceCalls["controlIn"]>[] = [];
    calls.run(
      (list) => {
        asked = questions.map((question) => list.controlIn(fd, setupOf(question), ANSWER_BYTES, TIMEOUT_MS));
      },
      (list) => {
        for (const [i, { result, at }] of asked.entries()) {
          const question = questions[i]!;
          const length = list.list.result(result);
          const bytes = list.readBytes(at, Math.max(0, length));
          // What is odd about an answer, whoever wants it shall see for himself.
          if (isWhole(question, bytes)) this.#told.set(keyOf(question), bytes);
          else if (length === -EPIPE) this.#told.set(keyOf(question), STALLED);
        }
        done();
      },
    );
  }
}
