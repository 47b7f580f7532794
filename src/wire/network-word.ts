const isLittleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** The word of this machine that stands in memory as the 32 bits of `value` in network byte order. */
export function networkWord(value: number): number {
  if (!isLittleEndian) return value | 0;
  return (value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);
}
