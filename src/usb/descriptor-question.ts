import { DescriptorType } from "./descriptors.ts";
import { Setup, StandardRequest } from "./setup.ts";

/** A descriptor that a device is asked for by GET_DESCRIPTOR. */
export interface DescriptorQuestion {
  readonly type: number;
  readonly index: number;
  readonly language: number;
}

/** As Linux asks for strings: the longest that there can be. */
export const ANSWER_BYTES = 255;

/** Languages of the strings: their index and language are 0. */
export const LANGUAGES: DescriptorQuestion = { type: DescriptorType.STRING, index: 0, language: 0 };

const GET_FROM_DEVICE = 0x80;

/** Questions for strings, in the first of the languages that a device has told. */
export function stringQuestions(indexes: readonly number[], languages: Uint8Array): DescriptorQuestion[] {
  if (languages.length < 4) return [];
  const language = languages[2]! | (languages[3]! << 8);
  const named = new Set(indexes.filter((index) => index !== 0));
  return Array.from(named, (index) => ({ type: DescriptorType.STRING, index, language }));
}

export function setupOf({ type, index, language }: DescriptorQuestion): Uint8Array {
  const wIndex = [language & 0xff, language >> 8] as const;
  return Uint8Array.of(
    GET_FROM_DEVICE,
    StandardRequest.GET_DESCRIPTOR,
    index,
    type,
    ...wIndex,
    ANSWER_BYTES,
    0,
  );
}

/** The question that a request is, if it is one. */
export function questionOf(setup: Uint8Array): DescriptorQuestion | undefined {
  const isOne =
    Setup.bmRequestType(setup, 0) === GET_FROM_DEVICE &&
    Setup.bRequest(setup, 0) === StandardRequest.GET_DESCRIPTOR;
  return isOne ? { type: setup[3]!, index: setup[2]!, language: Setup.wIndex(setup, 0) } : undefined;
}

/** One number for each question. */
export function keyOf({ type, index, language }: DescriptorQuestion): number {
  return type * 2 ** 24 + index * 2 ** 16 + language;
}

/** Whether that is an answer, and all of it. */
export function isWhole({ type }: DescriptorQuestion, bytes: Uint8Array): boolean {
  const isLong = type === DescriptorType.BOS && bytes.length >= 5;
  const length = isLong ? bytes[2]! | (bytes[3]! << 8) : bytes[0];
  return bytes.length >= 2 && bytes[1] === type && length === bytes.length;
}
