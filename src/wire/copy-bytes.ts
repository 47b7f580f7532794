/** Up to here a loop is cheaper than the subarray that `set` needs, which is garbage at once. */
const LOOP_MAX = 64;

/** Copies `length` bytes from `start` of the source to `at` of the target. Both have them. */
export function copyBytes(
  source: Uint8Array,
  start: number,
  length: number,
  target: Uint8Array,
  at: number,
): void {
  if (length > LOOP_MAX) target.set(source.subarray(start, start + length), at);
  else for (let i = 0; i < length; i++) target[at + i] = source[start + i]!;
}
