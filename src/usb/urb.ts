/** Transfer types, numbered as bits 1..0 of bmAttributes (USB 2.0 §9.6.6). */
export const TransferType = { control: 0, isochronous: 1, bulk: 2, interrupt: 3 } as const;
export type TransferType = (typeof TransferType)[keyof typeof TransferType];

/**
 * How a transfer, or one packet of an isochronous transfer, ended. A failed transfer is a value: bytes
 * may have moved, and `actualLength` tells how many.
 */
export const TransferStatus = {
  ok: 0,
  /** The endpoint is halted, or the control request is not supported (STALL handshake). */
  stall: 1,
  /** Ended by `cancel`, `reset`, `close` or a change of configuration before it was done. */
  cancelled: 2,
  /** The device is gone. */
  disconnected: 3,
  /** The device sent more than was asked for (babble). */
  overflow: 4,
  /** Less data than asked for although `shortNotOk` was set. */
  short: 5,
  /** No answer on the bus in time. */
  timeout: 6,
  /** The bus protocol was broken: bit stuffing, toggle, or no answer at all. */
  protocol: 7,
  /** Checksum of a packet is wrong. */
  crc: 8,
  /** The computer could not fetch OUT data fast enough. */
  underrun: 9,
  /** The computer could not store IN data fast enough. */
  overrun: 10,
  /** The request makes no sense for this endpoint. */
  invalid: 11,
  /** A limit of the session was reached. */
  noMemory: 12,
  /** An isochronous packet was not carried out. */
  notDone: 13,
} as const;
export type TransferStatus = (typeof TransferStatus)[keyof typeof TransferStatus];

/** Bits of `Urb.flags`. */
export const UrbFlag = {
  /** IN: fewer bytes than asked for is an error (`TransferStatus.short`). */
  shortNotOk: 1 << 0,
  /** Isochronous: start at the next free interval, `startFrame` is ignored. */
  isoAsap: 1 << 1,
  /** Bulk OUT: end with a zero-length packet if the data is a multiple of the packet size. */
  zeroPacket: 1 << 2,
  /**
   * IN without packets: instead of filling `buffer`, the device may set `buffer` and `offset` to bytes of its own that never
   * change again. A word of the sink that stays on this side of a wire.
   */
  mayLend: 1 << 3,
} as const;

/** Words of one packet in `Urb.packets`. */
export const PACKET_WORDS = 4;
/** Position of each word of a packet in `Urb.packets`. Offsets count from `Urb.offset`, in bytes. */
export const PacketWord = { offset: 0, length: 1, actualLength: 2, status: 3 } as const;

/**
 * One transfer. Pooled and owned by the sink; the device touches it only between `submit` and `complete`.
 */
export interface Urb {
  /** Endpoint address with the direction in bit 7; 0x00 or 0x80 for control, by the data stage. */
  endpoint: number;
  type: TransferType;
  /** 8 bytes in USB order, control only. */
  readonly setup: Uint8Array;
  /** `UrbFlag` bits. */
  flags: number;
  /** Service interval in frames (low, full speed) or microframes; 0 for control and bulk. */
  interval: number;
  startFrame: number;
  streamId: number;
  /** Memory brought by the sink. The transfer's bytes are `length` bytes from `offset`. */
  buffer: Uint8Array;
  offset: number;
  length: number;
  /** Isochronous only: `packetCount` packets of `PACKET_WORDS` words. */
  packets: Int32Array;
  packetCount: number;

  status: TransferStatus;
  /** Bytes that moved; for isochronous the sum over all packets. */
  actualLength: number;
  /** Isochronous packets that failed. */
  errorCount: number;

  /** The sink's own index. */
  tag: number;
}

export function isIn(endpoint: number): boolean {
  return (endpoint & 0x80) !== 0;
}

const NO_BYTES = new Uint8Array(0);
const NO_PACKETS = new Int32Array(0);

/** A blank URB. Sinks make theirs once and reuse them. */
export function createUrb(tag: number): Urb {
  return {
    endpoint: 0,
    type: TransferType.control,
    setup: new Uint8Array(8),
    flags: 0,
    interval: 0,
    startFrame: 0,
    streamId: 0,
    buffer: NO_BYTES,
    offset: 0,
    length: 0,
    packets: NO_PACKETS,
    packetCount: 0,
    status: TransferStatus.ok,
    actualLength: 0,
    errorCount: 0,
    tag,
  };
}
