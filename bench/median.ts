/** Of an even number, the upper one of the two in the middle. There is one at least. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
