import type { Fields, Struct } from "../wire/struct.ts";
import { BODY, UrbComplete, UrbSubmit } from "./messages.ts";

/**
 * Messages of URBs are read and written by words on the data path: a field is then one load or store in any function that is
 * compiled, while a function for each field is only inlined as long as there is room. Whoever uses these has them as constants
 * of its own module: what is imported is looked up at each use.
 */
export const HeaderWord = {
  magic: 0,
  /** message_type in the lower half, protocol_version in the upper one. */
  type: 1,
  message_length: 2,
  transaction_id: 3,
  device_id: 4,
  flags: 5,
  timestamp: 6,
  timestamp_high: 7,
} as const;

/** URB_SUBMIT; the setup packet has two words. */
export const SubmitWord = wordsOf(UrbSubmit);
/** URB_COMPLETE */
export const CompleteWord = wordsOf(UrbComplete);

/** Where the fields of a body stand in its message, in words. Each field has whole words. */
function wordsOf<F extends Fields>({ fields }: Struct<F>): { readonly [K in keyof F]: number } {
  let at = BODY;
  const words: Record<string, number> = {};
  for (const [name, { size }] of Object.entries(fields)) {
    words[name] = at >> 2;
    at += size;
  }
  return Object.freeze(words) as { readonly [K in keyof F]: number };
}
