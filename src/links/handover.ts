import { u16, u32 } from "../wire/field.ts";
import { littleEndian } from "../wire/struct.ts";

/** What a host says when it hands over memory: the descriptor comes along with its first byte. */
const Handover = littleEndian("HANDOVER", {
  magic: u32,
  version: u16,
  reserved: u16,
  /** Bytes of the memory. */
  length: u32,
});

/** "UFRM" */
const MAGIC = 0x4d524655;
const VERSION = 1;

export const HANDOVER_BYTES = Handover.size;

/** A PCI BAR of 32 bits is no larger, and neither is a ring. */
export const SHARED_MEMORY_MAX = 256 << 20;

export function encodeHandover(length: number): Uint8Array {
  return Handover.encode({ magic: MAGIC, version: VERSION, reserved: 0, length });
}

/** Bytes of the memory that is handed over, or what is wrong. `bytes` is a whole hand-over. */
export function readHandover(bytes: Uint8Array): number | string {
  if (Handover.magic(bytes, 0) !== MAGIC) return "it hands over no shared memory";
  const version = Handover.version(bytes, 0);
  if (version !== VERSION) {
    return `it hands over shared memory by version ${version}, and version ${VERSION} is known here`;
  }
  const length = Handover.length(bytes, 0);
  return length > 0 && length <= SHARED_MEMORY_MAX ? length : `it tells of ${length} bytes of memory`;
}
