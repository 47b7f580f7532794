import { octets, u16, u32 } from "../wire/field.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { littleEndian } from "../wire/struct.ts";

/** What a guest says to have a device by shared memory. */
const Request = littleEndian("RING_REQUEST", {
  magic: u32,
  version: u16,
  reserved: u16,
  /** Of the device, with a zero behind it. */
  busid: octets(32),
});

/** What the host says to that: the descriptor of the memory comes along with the first byte. */
const Handover = littleEndian("HANDOVER", {
  magic: u32,
  version: u16,
  /** 0, or why there is no memory: a status of USB/IP. */
  status: u16,
  /** Bytes of the memory; in memory that both sides have already, the id of the device. */
  length: u32,
});

/** "UFRQ", "UFRM" */
const REQUEST_MAGIC = 0x51524655;
const MAGIC = 0x4d524655;
const VERSION = 1;

export const REQUEST_BYTES = Request.size;
export const HANDOVER_BYTES = Handover.size;

/** A PCI BAR of 32 bits is no larger, and neither is a ring. */
export const SHARED_MEMORY_MAX = 256 << 20;
/** A ring is no smaller. */
export const SHARED_MEMORY_MIN = 4 << 20;

/** The bus id has at most 31 bytes. */
export function encodeRequest(busid: string): Uint8Array {
  const text = new Uint8Array(32);
  text.set(Buffer.from(busid).subarray(0, text.length - 1));
  return Request.encode({ magic: REQUEST_MAGIC, version: VERSION, reserved: 0, busid: text });
}

/** Whether this is the beginning of a request: four bytes at least. */
export function isRequest(bytes: Uint8Array): boolean {
  return Request.magic(bytes, 0) === REQUEST_MAGIC;
}

/** The bus id of a whole request. */
export function readRequest(bytes: Uint8Array): string | ProtocolError {
  const version = Request.version(bytes, 0);
  if (!isRequest(bytes) || version !== VERSION) {
    return new ProtocolError("BAD_VERSION", `a request for shared memory of version ${version}`);
  }
  const busid = Request.busid(bytes, 0);
  const end = busid.indexOf(0);
  return end < 0
    ? new ProtocolError("BAD_FIELD", "a bus id without an end")
    : Buffer.from(busid.subarray(0, end)).toString();
}

export function encodeHandover(length: number, status = 0): Uint8Array {
  return Handover.encode({ magic: MAGIC, version: VERSION, status, length });
}

/** What is handed over, or what is wrong. `bytes` is a whole hand-over. */
export function readHandover(
  bytes: Uint8Array,
): { readonly status: number; readonly length: number } | string {
  if (Handover.magic(bytes, 0) !== MAGIC) return "it hands over no shared memory";
  const version = Handover.version(bytes, 0);
  if (version !== VERSION) {
    return `it hands over shared memory by version ${version}, and version ${VERSION} is known here`;
  }
  const status = Handover.status(bytes, 0);
  const length = Handover.length(bytes, 0);
  const isUsable = status !== 0 || (length > 0 && length <= SHARED_MEMORY_MAX);
  return isUsable ? { status, length } : `it tells of ${length} bytes of memory`;
}
