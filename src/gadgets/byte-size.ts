const UNITS = ["", "K", "M", "G", "T"];

/** Reads `512`, `64M`, `1.5G`: bytes, with a power of 1024. Nothing if it is none, or beyond 2^53. */
export function parseByteSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([KMGT]?)$/i.exec(text);
  if (match === null) return undefined;
  const bytes = Number(match[1]) * 1024 ** UNITS.indexOf(match[2]!.toUpperCase());
  return Number.isSafeInteger(Math.floor(bytes)) ? Math.floor(bytes) : undefined;
}
