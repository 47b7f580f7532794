/**
 * Bytes written for a reader: each line is hex, then the name of the field.
 * Two spaces part the hex from the name.
 */
export function annotatedHex(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const line of text.split("\n")) {
    const hex = line.trim().split(/ {2,}/)[0]!.replaceAll(" ", "");
    if (!/^([0-9a-f]{2})*$/.test(hex)) throw new Error(`not hex: ${line}`);
    for (let i = 0; i < hex.length; i += 2) bytes.push(Number.parseInt(hex.slice(i, i + 2), 16));
  }
  return Uint8Array.from(bytes);
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
