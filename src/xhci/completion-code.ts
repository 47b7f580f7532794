import { TransferStatus } from "../usb/urb.ts";

/** TRB completion codes (xHCI table 6-90). */
export const CompletionCode = {
  SUCCESS: 1,
  DATA_BUFFER: 2,
  BABBLE: 3,
  TRANSACTION: 4,
  TRB: 5,
  STALL: 6,
  NO_SLOTS: 9,
  SLOT_NOT_ENABLED: 11,
  ENDPOINT_NOT_ENABLED: 12,
  SHORT_PACKET: 13,
  RING_UNDERRUN: 14,
  RING_OVERRUN: 15,
  PARAMETER: 17,
  CONTEXT_STATE: 19,
  EVENT_RING_FULL: 21,
  MISSED_SERVICE: 23,
  COMMAND_RING_STOPPED: 24,
  COMMAND_ABORTED: 25,
  STOPPED: 26,
} as const;

const CODES: readonly number[] = codes();

function codes(): number[] {
  const { SUCCESS, DATA_BUFFER, BABBLE, TRANSACTION, STALL, MISSED_SERVICE } = CompletionCode;
  const table: number[] = [];
  table[TransferStatus.ok] = SUCCESS;
  table[TransferStatus.stall] = STALL;
  table[TransferStatus.cancelled] = TRANSACTION;
  table[TransferStatus.disconnected] = TRANSACTION;
  table[TransferStatus.overflow] = BABBLE;
  // Never asked for as an error: what is missing tells.
  table[TransferStatus.short] = SUCCESS;
  table[TransferStatus.timeout] = TRANSACTION;
  table[TransferStatus.protocol] = TRANSACTION;
  table[TransferStatus.crc] = TRANSACTION;
  table[TransferStatus.underrun] = DATA_BUFFER;
  table[TransferStatus.overrun] = DATA_BUFFER;
  // A TRB Error would leave the endpoint in a state that drivers leave only by giving the ring up.
  table[TransferStatus.invalid] = TRANSACTION;
  table[TransferStatus.noMemory] = DATA_BUFFER;
  table[TransferStatus.notDone] = MISSED_SERVICE;
  return table;
}

/** How a controller tells a driver what became of a transfer. */
export function completionCodeOf(status: TransferStatus): number {
  return CODES[status]!;
}
