/** How much of this process one session may hold. Counted until the reply has left. */
export interface SessionLimits {
  /** URBs in flight or on their way out. One more is answered with no memory. */
  readonly urbs: number;
  /** Bytes of transfer memory. A transfer beyond is answered with no memory. */
  readonly bytes: number;
  /** Bytes of answers without memory of their own (unlinks, refusals) that may wait for the peer to read. */
  readonly looseBytes: number;
}

/**
 * 64 MiB holds 16 of the largest transfers a Linux client sends (4 MiB); 2,048 URBs are more than a driver
 * keeps in flight (usb-storage 1, snd-usb-audio 12 an endpoint, the test driver some hundreds).
 */
export const SESSION_LIMITS: SessionLimits = { urbs: 2048, bytes: 64 << 20, looseBytes: 1 << 20 };
