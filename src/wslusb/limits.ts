/** What one connection may cost, and how long its peer may be silent. */
export interface WslusbLimits {
  /** Devices attached at a time over one connection. */
  readonly devices: number;
  /** URBs of a device in flight or on their way out. One more is answered with no memory. */
  readonly urbs: number;
  /** Bytes that the transfers of a device may count together. One beyond is answered with no memory. */
  readonly bytes: number;
  /** The same of all devices of a connection together, beyond `reserve` of each. */
  readonly totalBytes: number;
  /** What each device may have whatever the others have: a disk must not starve a keyboard. */
  readonly reserve: number;
  /** Bytes of answers without memory of their own that may wait for the peer to read. */
  readonly looseBytes: number;
  /** Bytes of bulk and isochronous frames of a device that may be on their way to us. */
  readonly credit: number;
  /** Nothing of the peer for so long, and it is taken for dead. */
  readonly silenceMs: number;
}

/**
 * 512 KiB on their way keep 4 Gbit/s busy over a millisecond, and hold up a keyboard on the same connection for as
 * long as they take to be read: 4 ms at 1 Gbit/s.
 */
export const WSLUSB_LIMITS: WslusbLimits = {
  devices: 64,
  urbs: 1024,
  bytes: 32 << 20,
  totalBytes: 96 << 20,
  reserve: 1 << 20,
  looseBytes: 4 << 20,
  credit: 512 << 10,
  silenceMs: 10_000,
};

/** A transfer counts with its length, and with this for each of its packets. */
export const PACKET_COST = 32;

/** Of one transfer, fixed by the protocol. */
export const MAX_TRANSFER_LENGTH = 16 << 20;
export const MAX_PACKETS = 1024;

/** A Hello may not give less: a sender waits for room for a quarter of it. */
export const CREDIT_MIN = 64 << 10;
/** Nor more. */
export const CREDIT_MAX = 16 << 20;

export const MAX_DESCRIPTORS = 1 << 20;
export const MAX_LISTED = 1024;
/** A Hello of a later version may be longer; what is not known is passed over. */
export const MAX_HELLO = 4096;
