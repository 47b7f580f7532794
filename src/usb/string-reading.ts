import { DescriptorType } from "./descriptors.ts";
import { StandardRequest } from "./setup.ts";
import { LANGUAGE_ID } from "./string-descriptor.ts";
import { TransferStatus } from "./urb.ts";

/** An IN control request to the device; `done` gets what came, or nothing if it failed. */
export type ControlRead = (
  setup: Uint8Array,
  length: number,
  done: (status: TransferStatus, bytes: Uint8Array) => void,
) => void;

/** As Linux asks: the longest that there can be, and the device answers with less. */
const LENGTH = 255;

/**
 * Reads a string of a device in the first language that it has, US English if it tells none (USB 2.0 §9.6.7).
 * `done` gets nothing if the device does not answer with a string.
 */
export function readString(read: ControlRead, index: number, done: (text: string | undefined) => void): void {
  descriptor(read, 0, 0, (languages) => {
    const language = languages === undefined || languages.length < 2 ? LANGUAGE_ID : unit(languages, 0);
    descriptor(read, index, language, (bytes) => done(bytes === undefined ? undefined : text(bytes)));
  });
}

/** What stands behind the two bytes of the header. */
function descriptor(
  read: ControlRead,
  index: number,
  language: number,
  done: (content: Uint8Array | undefined) => void,
): void {
  const { GET_DESCRIPTOR } = StandardRequest;
  const { STRING } = DescriptorType;
  const setup = Uint8Array.of(0x80, GET_DESCRIPTOR, index, STRING, language & 0xff, language >> 8, LENGTH, 0);
  read(setup, LENGTH, (status, bytes) => {
    const isRight = status === TransferStatus.ok && bytes.length >= 2 && bytes[1] === STRING;
    done(isRight ? bytes.subarray(2, Math.max(2, bytes[0]!)) : undefined);
  });
}

/** UTF-16LE; half a unit at the end is none. */
function text(bytes: Uint8Array): string {
  let result = "";
  for (let at = 0; at + 1 < bytes.length; at += 2) result += String.fromCharCode(unit(bytes, at));
  return result;
}

function unit(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}
