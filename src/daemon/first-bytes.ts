import type { Protocol } from "../links/address.ts";
import { isRequest } from "../links/handover.ts";

/** Every protocol tells what it is in so many bytes. */
const LEAST = 4;

/**
 * What a client speaks, by its first bytes; nothing while they do not tell. A request of USB/IP begins with its version,
 * 01 11, and an operation, which is not 0. A frame of WSL-USB begins with its type in 32 bits, little-endian, and every type
 * is below 65,536: two zeros stand where the operation would. A request for shared memory begins with its magic. What is none
 * of these is for the protocol to refuse that is `expected` there.
 */
export function protocolOf(bytes: Uint8Array, expected: Protocol): Protocol | "ring" | undefined {
  if (bytes[0] === 0x01 && bytes[1] === 0x11) return "usbip";
  if (bytes.length < LEAST) return undefined;
  if (isRequest(bytes)) return "ring";
  return bytes[2] === 0 && bytes[3] === 0 ? "wslusb" : expected;
}
