import { CERTIFICATE_REFUSALS, type CertificateRefusal } from "./certificate.ts";

/**
 * The first line of each side inside TLS: what it thinks of the other's certificate. TLS 1.3 lets a client write before its
 * certificate was looked at, and Node tells no reasons; so that both sides can say why nothing became of it, they tell
 * each other. It is spoken where both name this protocol (ALPN, RFC 7301); others get the bytes of the link alone.
 */
export const VERDICT_PROTOCOL = "usbferry/1";

export type Verdict = "OK" | CertificateRefusal;

const OPENING = "usbferry/1 ";

/** The longest line, its end included, with room to spare. */
export const VERDICT_BYTES = 48;

export function printVerdict(verdict: Verdict): string {
  return `${OPENING}${verdict}\n`;
}

/** Reads a line without its end; nothing if it is no verdict. */
export function parseVerdict(line: string): Verdict | undefined {
  if (!line.startsWith(OPENING)) return undefined;
  const word = line.slice(OPENING.length);
  return word === "OK" ? word : CERTIFICATE_REFUSALS.find((refusal) => refusal === word);
}
