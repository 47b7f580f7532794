import { ProtocolError } from "../wire/protocol-error.ts";
import { EventsRequest } from "./event-pdu.ts";
import { BUSID_SIZE, ImportRequest, OpCode, OpCommon, USBIP_VERSION } from "./pdu.ts";

export type HandshakeRequest =
  | { readonly kind: "devlist"; readonly size: number }
  | { readonly kind: "import"; readonly size: number; readonly busid: string }
  | { readonly kind: "events"; readonly size: number; readonly version: number };

const IMPORT_SIZE = OpCommon.size + BUSID_SIZE;
const EVENTS_SIZE = OpCommon.size + EventsRequest.size;

const REQUESTS: ReadonlySet<number> = new Set([
  OpCode.OP_REQ_DEVLIST,
  OpCode.OP_REQ_IMPORT,
  OpCode.OP_REQ_EVENTS,
]);

/**
 * Reads one request from the front of `bytes`: a request with its size in bytes, nothing while it is not
 * whole, or what is wrong with it. Judges as early as the bytes allow, so that a stranger is not waited for.
 */
export function readRequest(bytes: Uint8Array): HandshakeRequest | ProtocolError | undefined {
  if (bytes.length >= 2 && OpCommon.version(bytes, 0) !== USBIP_VERSION) {
    return new ProtocolError(
      "BAD_VERSION",
      `the first bytes name version 0x${hex16(OpCommon.version(bytes, 0))}, USB/IP is 0x${hex16(USBIP_VERSION)}`,
    );
  }
  if (bytes.length >= 4) {
    const code = OpCommon.code(bytes, 0);
    if (!REQUESTS.has(code)) {
      return new ProtocolError(
        "BAD_COMMAND",
        `operation 0x${hex16(code)} is neither OP_REQ_DEVLIST, OP_REQ_IMPORT nor OP_REQ_EVENTS`,
      );
    }
  }
  if (bytes.length < OpCommon.size) return undefined;
  const status = OpCommon.status(bytes, 0);
  if (status !== 0)
    return new ProtocolError("BAD_FIELD", `status is ${status} in a request, where it must be 0`);
  const code = OpCommon.code(bytes, 0);
  if (code === OpCode.OP_REQ_DEVLIST) return { kind: "devlist", size: OpCommon.size };
  if (code === OpCode.OP_REQ_EVENTS) {
    if (bytes.length < EVENTS_SIZE) return undefined;
    const version = EventsRequest.events_version(bytes, OpCommon.size);
    return { kind: "events", size: EVENTS_SIZE, version };
  }
  if (bytes.length < IMPORT_SIZE) return undefined;
  return { kind: "import", size: IMPORT_SIZE, busid: ImportRequest.busid(bytes, OpCommon.size) };
}

function hex16(value: number): string {
  return value.toString(16).padStart(4, "0");
}
