import { BlockHeader, OptionHeader, padded } from "./pcapng.ts";

/** The value of an option behind the first `body` bytes of a block; nothing if it is not there, or not whole. */
export function optionOf(block: Uint8Array, body: number, code: number): Uint8Array | undefined {
  const end = block.length - 4;
  let at = BlockHeader.size + body;
  while (at + OptionHeader.size <= end) {
    const found = OptionHeader.option_code(block, at);
    const length = OptionHeader.option_length(block, at);
    const value = at + OptionHeader.size;
    if (found === 0 || value + length > end) return undefined;
    if (found === code) return block.subarray(value, value + length);
    at = value + padded(length);
  }
  return undefined;
}

/** An option of 64 bits; nothing if it is not there, has another length, or is beyond 2^53. */
export function numberOf(block: Uint8Array, body: number, code: number): number | undefined {
  const value = optionOf(block, body, code);
  if (value?.length !== 8) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, 8);
  const number = view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true);
  return Number.isSafeInteger(number) ? number : undefined;
}
