/** What one session may cost, and how long its peer may be silent. */
export interface RingLimits {
  /** URBs of a device in flight. One more is answered with no resource. */
  readonly urbs: number;
  /** Bytes of all devices: OUT data that are copied out of shared memory, and packets of isochronous URBs. */
  readonly bytes: number;
  /**
   * Messages that one `poll` takes before it shows what has come of them. With all that a guest has in flight each side would wait
   * until the other one has carried out everything; with few a turn costs more than they do.
   */
  readonly messagesPerPoll: number;
  /** Answers that wait for room; while there are more nothing more is read. */
  readonly waiting: number;
  /** Part of all slots that one device may have, in percent. */
  readonly slotsPercent: number;
  /** Both sides tell this often that they live. */
  readonly heartbeatMs: number;
  /** Nothing of the peer for so long: nothing is begun with it any more. */
  readonly silenceMs: number;
  /** And for so long on top: the session is over. */
  readonly graceMs: number;
  /** A peer that is awake and makes no room for so long. */
  readonly notReadingMs: number;
  /** How long a guest waits before it greets a host again that has ended a session. */
  readonly retryMs: number;
  readonly rate: RateLimit;
  readonly breaker: BreakerLimits;
}

/** URBs of one device. */
export interface RateLimit {
  readonly perSecond: number;
  /** At once, after a pause. */
  readonly burst: number;
}

/** When a device is not asked any more for a while. */
export interface BreakerLimits {
  /** Errors of the bus within the window; a STALL is none. */
  readonly hardwareErrors: number;
  /** Requests that break the protocol, within the window. */
  readonly protocolErrors: number;
  /** Errors of the bus without a transfer that ended well between. */
  readonly consecutiveErrors: number;
  readonly windowMs: number;
  readonly cooldownMs: number;
  /** Transfers that have to end well before it is trusted again. */
  readonly probes: number;
}

/**
 * A high-speed bus carries some 100,000 URBs a second, a super-speed bus 500,000, a simulated device some 4,000,000: the
 * rate stops a peer, never a device. A driver gives up a device after a few errors in a row: the breaker is for those
 * that do not.
 */
export const RING_LIMITS: RingLimits = {
  urbs: 1024,
  bytes: 64 << 20,
  messagesPerPoll: 16,
  waiting: 4096,
  slotsPercent: 75,
  heartbeatMs: 1_000,
  silenceMs: 5_000,
  graceMs: 25_000,
  notReadingMs: 8_000,
  retryMs: 250,
  rate: { perSecond: 8_000_000, burst: 2_000_000 },
  breaker: {
    hardwareErrors: 500,
    protocolErrors: 100,
    consecutiveErrors: 200,
    windowMs: 60_000,
    cooldownMs: 5_000,
    probes: 3,
  },
};

/** Fixed by the protocol. */
export const MAX_DEVICES = 32;
export const MAX_URBS = 1024;
export const MAX_TRANSFER_LENGTH = 16 << 20;
export const MAX_PACKETS = 1024;
export const INLINE_MAX = 96;
