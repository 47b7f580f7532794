/** Collects the values of an option that may be given again. */
export function repeatable(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}
