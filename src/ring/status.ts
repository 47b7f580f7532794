import { TransferStatus } from "../usb/urb.ts";
import type { ProtocolErrorCode } from "../wire/protocol-error.ts";

/** Statuses of messages. */
export const Status = {
  OK: 0,
  CANCELLED: -1,
  STALL: -2,
  TIMEOUT: -3,
  SHORT: -4,
  OVERFLOW: -5,
  BABBLE: -6,
  CRC: -7,
  BIT_STUFF: -8,
  /** 1.1 */
  UNDERRUN: -9,
  /** 1.1 */
  OVERRUN: -10,
  /** 1.1: an isochronous packet was not carried out. */
  NOT_DONE: -11,
  DISCONNECTED: -100,
  DEVICE_ERROR: -101,
  NOT_FOUND: -102,
  INVALID_PARAMETER: -103,
  NO_RESOURCE: -104,
  SHUTDOWN: -105,
  RATE_LIMITED: -200,
  CIRCUIT_BREAK: -201,
  PROTOCOL_ERROR: -202,
  ACCESS_DENIED: -203,
} as const;

/** By `TransferStatus`. */
const OF_TRANSFER: readonly number[] = Object.values({
  [TransferStatus.ok]: Status.OK,
  [TransferStatus.stall]: Status.STALL,
  [TransferStatus.cancelled]: Status.CANCELLED,
  [TransferStatus.disconnected]: Status.DISCONNECTED,
  [TransferStatus.overflow]: Status.OVERFLOW,
  [TransferStatus.short]: Status.SHORT,
  [TransferStatus.timeout]: Status.TIMEOUT,
  [TransferStatus.protocol]: Status.BIT_STUFF,
  [TransferStatus.crc]: Status.CRC,
  [TransferStatus.underrun]: Status.UNDERRUN,
  [TransferStatus.overrun]: Status.OVERRUN,
  [TransferStatus.invalid]: Status.INVALID_PARAMETER,
  [TransferStatus.noMemory]: Status.NO_RESOURCE,
  [TransferStatus.notDone]: Status.NOT_DONE,
});

const TO_TRANSFER: ReadonlyMap<number, TransferStatus> = new Map<number, TransferStatus>([
  ...OF_TRANSFER.map((status, transfer) => [status, transfer as TransferStatus] as const),
  [Status.BABBLE, TransferStatus.overflow],
  [Status.NOT_FOUND, TransferStatus.stall],
  [Status.SHUTDOWN, TransferStatus.disconnected],
  [Status.RATE_LIMITED, TransferStatus.noMemory],
  [Status.ACCESS_DENIED, TransferStatus.invalid],
]);

export function statusOf(transfer: TransferStatus): number {
  return OF_TRANSFER[transfer]!;
}

/** How a transfer ended. What is not known, a breaker that is open included, is a bus error, as drivers take it. */
export function transferStatusOf(status: number): TransferStatus {
  return TO_TRANSFER.get(status) ?? TransferStatus.protocol;
}

/** Why a side ended a session, as it stands in its line of the control block. */
export const EndReason = {
  /** None was ended. */
  NONE: 0,
  /** In good order. */
  LEFT: 1,
  TRUNCATED: 2,
  BAD_VERSION: 3,
  BAD_COMMAND: 4,
  BAD_FIELD: 5,
  BAD_LENGTH: 6,
  BAD_DEVICE: 7,
  DUPLICATE_SEQNUM: 8,
  UNKNOWN_SEQNUM: 9,
  FLOOD: 10,
  PEER_NOT_READING: 11,
  PEER_SILENT: 12,
  HANDSHAKE_TIMEOUT: 13,
} as const satisfies Record<ProtocolErrorCode | "NONE" | "LEFT", number>;

const names = new Map<number, string>(Object.entries(EndReason).map(([name, reason]) => [reason, name]));

/** For a person. */
export function endReasonName(reason: number): string {
  return names.get(reason) ?? `reason ${reason}`;
}
