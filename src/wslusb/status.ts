import { TransferStatus } from "../usb/urb.ts";
import type { ProtocolErrorCode } from "../wire/protocol-error.ts";

/** One number space for whatever can become of a request: transfers below 32, devices from 32, connections from 64. */
export const Status = {
  OK: 0,
  STALL: 1,
  CANCELLED: 2,
  DISCONNECTED: 3,
  OVERFLOW: 4,
  SHORT: 5,
  TIMEOUT: 6,
  PROTOCOL: 7,
  CRC: 8,
  UNDERRUN: 9,
  OVERRUN: 10,
  INVALID: 11,
  NO_MEMORY: 12,
  NOT_DONE: 13,
  NOT_FOUND: 32,
  BUSY: 33,
  DENIED: 34,
  FAILED: 35,
  TOO_MANY: 36,
  ENDED: 64,
  BAD_VERSION: 65,
  BAD_COMMAND: 66,
  BAD_FIELD: 67,
  BAD_LENGTH: 68,
  BAD_DEVICE: 69,
  DUPLICATE_SEQNUM: 70,
  UNKNOWN_SEQNUM: 71,
  FLOOD: 72,
  PEER_NOT_READING: 73,
  PEER_SILENT: 74,
  HANDSHAKE_TIMEOUT: 75,
} as const;
export type StatusName = keyof typeof Status;

/** Below it a status tells how a transfer ended. */
export const TRANSFER_STATUSES = 32;

/** What a status is called elsewhere. */
export interface ForeignStatus {
  /** Linux (https://docs.kernel.org/driver-api/usb/error-codes.html). */
  readonly errno: number;
  /** Windows, `winerror.h`. */
  readonly win32: number;
  /** Windows, `ntstatus.h`. */
  readonly ntstatus: number;
  /** Windows, `usb.h`: USBD_STATUS of a transfer. */
  readonly usbd: number;
}

export const FOREIGN: Readonly<Record<StatusName, ForeignStatus>> = {
  OK: { errno: 0, win32: 0, ntstatus: 0, usbd: 0 },
  STALL: { errno: -32 /* EPIPE */, win32: 31, ntstatus: 0xc0000001, usbd: 0xc0000004 },
  CANCELLED: { errno: -104 /* ECONNRESET */, win32: 995, ntstatus: 0xc0000120, usbd: 0xc0010000 },
  DISCONNECTED: { errno: -108 /* ESHUTDOWN */, win32: 1167, ntstatus: 0xc000009d, usbd: 0xc0007000 },
  OVERFLOW: { errno: -75 /* EOVERFLOW */, win32: 31, ntstatus: 0xc0000001, usbd: 0xc0000012 },
  SHORT: { errno: -121 /* EREMOTEIO */, win32: 31, ntstatus: 0xc0000001, usbd: 0xc0000009 },
  TIMEOUT: { errno: -110 /* ETIMEDOUT */, win32: 121, ntstatus: 0xc00000b5, usbd: 0xc0000005 },
  PROTOCOL: { errno: -71 /* EPROTO */, win32: 31, ntstatus: 0xc0000001, usbd: 0xc0000011 },
  CRC: { errno: -84 /* EILSEQ */, win32: 23, ntstatus: 0xc000003f, usbd: 0xc0000001 },
  UNDERRUN: { errno: -63 /* ENOSR */, win32: 31, ntstatus: 0xc0000001, usbd: 0xc000000d },
  OVERRUN: { errno: -70 /* ECOMM */, win32: 31, ntstatus: 0xc0000001, usbd: 0xc000000c },
  INVALID: { errno: -22 /* EINVAL */, win32: 87, ntstatus: 0xc000000d, usbd: 0x80000300 },
  NO_MEMORY: { errno: -12 /* ENOMEM */, win32: 1450, ntstatus: 0xc000009a, usbd: 0xc0001000 },
  NOT_DONE: { errno: -18 /* EXDEV */, win32: 31, ntstatus: 0xc0000001, usbd: 0xc0020000 },
  NOT_FOUND: { errno: -2 /* ENOENT */, win32: 1168, ntstatus: 0xc0000225, usbd: 0xc0007000 },
  BUSY: { errno: -16 /* EBUSY */, win32: 170, ntstatus: 0x80000011, usbd: 0x80000400 },
  DENIED: { errno: -13 /* EACCES */, win32: 5, ntstatus: 0xc0000022, usbd: 0x80000500 },
  FAILED: { errno: -5 /* EIO */, win32: 31, ntstatus: 0xc0000001, usbd: 0x80000500 },
  TOO_MANY: { errno: -24 /* EMFILE */, win32: 4, ntstatus: 0xc000011f, usbd: 0xc0001000 },
  ENDED: { errno: -108 /* ESHUTDOWN */, win32: 1226, ntstatus: 0xc0000237, usbd: 0xc0007000 },
  BAD_VERSION: { errno: -93 /* EPROTONOSUPPORT */, win32: 1306, ntstatus: 0xc0000059, usbd: 0x80000500 },
  ...protocolErrors([
    "BAD_COMMAND",
    "BAD_FIELD",
    "BAD_LENGTH",
    "BAD_DEVICE",
    "DUPLICATE_SEQNUM",
    "UNKNOWN_SEQNUM",
    "FLOOD",
    "PEER_NOT_READING",
    "PEER_SILENT",
    "HANDSHAKE_TIMEOUT",
  ]),
};

/** A connection whose peer broke the protocol has no better name anywhere else. */
function protocolErrors<N extends StatusName>(names: readonly N[]): Record<N, ForeignStatus> {
  const foreign = { errno: -71 /* EPROTO */, win32: 1359, ntstatus: 0xc00000e5, usbd: 0x80000500 };
  return Object.fromEntries(names.map((name) => [name, foreign])) as Record<N, ForeignStatus>;
}

const names = new Map<number, StatusName>(
  Object.entries(Status).map(([name, number]) => [number, name as StatusName]),
);

export function statusName(status: number): string {
  return names.get(status) ?? `status ${status}`;
}

/** How a transfer ended. A number that is not known is a bus error, as drivers take it. */
export function transferStatusOf(status: number): TransferStatus {
  return status <= Status.NOT_DONE ? (status as TransferStatus) : TransferStatus.protocol;
}

/** The status of an Error frame for what a peer did. */
export function statusOfError(code: ProtocolErrorCode): number {
  return code === "TRUNCATED" ? Status.BAD_LENGTH : Status[code];
}

/** The code of what an Error frame of the peer tells. */
export function errorCodeOf(status: number): ProtocolErrorCode {
  const name = names.get(status);
  return name !== undefined && status >= Status.ENDED ? (name as ProtocolErrorCode) : "BAD_FIELD";
}
