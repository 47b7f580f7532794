/** Transfer Request Blocks (xHCI §6.4): four words, the last of which holds the type and the cycle bit. */
export const TRB_SIZE = 16;

/** TRB types (xHCI table 6-91). */
export const TrbType = {
  NORMAL: 1,
  SETUP: 2,
  DATA: 3,
  STATUS: 4,
  ISOCH: 5,
  LINK: 6,
  EVENT_DATA: 7,
  NO_OP: 8,
  ENABLE_SLOT: 9,
  DISABLE_SLOT: 10,
  ADDRESS_DEVICE: 11,
  CONFIGURE_ENDPOINT: 12,
  EVALUATE_CONTEXT: 13,
  RESET_ENDPOINT: 14,
  STOP_ENDPOINT: 15,
  SET_TR_DEQUEUE: 16,
  RESET_DEVICE: 17,
  GET_PORT_BANDWIDTH: 21,
  NO_OP_COMMAND: 23,
  TRANSFER_EVENT: 32,
  COMMAND_COMPLETION: 33,
  PORT_STATUS_CHANGE: 34,
  HOST_CONTROLLER: 37,
  MFINDEX_WRAP: 39,
} as const;

/** The control word of transfer and link TRBs (xHCI §6.4.1). */
export const TrbBit = {
  C: 1 << 0,
  /** Link: Toggle Cycle. */
  TC: 1 << 1,
  ISP: 1 << 2,
  CH: 1 << 4,
  IOC: 1 << 5,
  IDT: 1 << 6,
  BEI: 1 << 9,
  /** Data and Status stage: 1 is IN. */
  DIR: 1 << 16,
} as const;

/** The control word of commands (xHCI §6.4.3). */
export const CommandBit = {
  /** Address Device: Block Set Address Request. */
  BSR: 1 << 9,
  /** Configure Endpoint: Deconfigure. */
  DC: 1 << 9,
  /** Reset Endpoint: Transfer State Preserve. */
  TSP: 1 << 9,
} as const;

/** Transfer Event: the pointer is the value of an Event Data TRB (xHCI §6.4.2.1). */
export const EVENT_DATA_BIT = 1 << 2;

/** Bytes that a Normal, Data or Isoch TRB can carry. */
export const TRB_LENGTH_MAX = 1 << 16;
/** Bytes of immediate data. */
export const IMMEDIATE_MAX = 8;

const LENGTH_MASK = 0x1ffff;

export function typeOf(control: number): number {
  return (control >>> 10) & 0x3f;
}

/** The TRB transfer length of a status word. */
export function lengthOf(status: number): number {
  return status & LENGTH_MASK;
}

/** Whether a TRB stands for bytes of a transfer's data. */
export function carriesData(type: number): boolean {
  return type === TrbType.NORMAL || type === TrbType.DATA || type === TrbType.ISOCH;
}

/** An address in two words; the low bits of the first are flags. */
export function addressOf(low: number, high: number, align: number): number {
  return (high >>> 0) * 0x1_0000_0000 + ((low & -align) >>> 0);
}

export function highWord(address: number): number {
  return Math.floor(address / 0x1_0000_0000);
}
