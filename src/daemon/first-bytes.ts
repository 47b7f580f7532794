import { REQUEST_MAGIC } from "../links/handover.ts";
import { MessageType } from "../wslusb/messages.ts";

const LEAST = 4;

const TYPES: ReadonlySet<number> = new Set(Object.values(MessageType));

/**
 * What a client speaks, by its first bytes; nothing while they do not tell. A frame of WSL-USB begins with its type in
 * 32 bits, little-endian, so that three zeros follow the first byte; a request of USB/IP begins with 01 11 and an
 * operation, which is not zero. A request for shared memory begins with its magic. Whatever is none of these is for USB/IP
 * to refuse.
 */
export function protocolOf(bytes: Uint8Array): "usbip" | "wslusb" | "ring" | undefined {
  if (bytes.length === 0) return undefined;
  if (isRing(bytes)) return bytes.length < LEAST ? undefined : "ring";
  if (!TYPES.has(bytes[0]!)) return "usbip";
  for (let i = 1; i < LEAST && i < bytes.length; i++) if (bytes[i] !== 0) return "usbip";
  return bytes.length < LEAST ? undefined : "wslusb";
}

function isRing(bytes: Uint8Array): boolean {
  for (let i = 0; i < LEAST && i < bytes.length; i++) {
    if (bytes[i] !== ((REQUEST_MAGIC >>> (i * 8)) & 0xff)) return false;
  }
  return true;
}
