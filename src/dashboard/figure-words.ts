const UNITS = ["B", "KB", "MB", "GB", "TB"];

/** In powers of a thousand, three digits. */
export function bytesWords(bytes: number): string {
  let at = 0;
  let value = bytes;
  while (value >= 999.5 && at < UNITS.length - 1) {
    value /= 1_000;
    at++;
  }
  return `${threeDigits(value, at === 0)} ${UNITS[at]}`;
}

export function countWords(count: number): string {
  return count >= 10 ? Math.round(count).toLocaleString("en") : threeDigits(count, Number.isInteger(count));
}

export function tookWords(us: number): string {
  if (us < 999.5) return `${threeDigits(us, us >= 10 || Number.isInteger(us))} µs`;
  if (us < 999_500) return `${threeDigits(us / 1_000, false)} ms`;
  return `${threeDigits(us / 1_000_000, false)} s`;
}

/** `0x81` as people say it. */
export function endpointWords(address: number): string {
  const number = address & 0x0f;
  return `${number === 0 ? "Control" : `Endpoint ${number}`} ${(address & 0x80) === 0 ? "OUT" : "IN"}`;
}

/** By their numbers, as people count them: both directions of one stand together. */
export function inOrder<Endpoint extends { readonly address: number }>(
  endpoints: readonly Endpoint[],
): readonly Endpoint[] {
  return endpoints.toSorted((a, b) => (a.address & 0x0f) - (b.address & 0x0f) || a.address - b.address);
}

function threeDigits(value: number, isWhole: boolean): string {
  if (isWhole || value >= 100 || value === 0) return value.toFixed(0);
  return value.toFixed(value >= 10 ? 1 : 2);
}
