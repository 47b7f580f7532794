/** What a stream tells the one who opened it. */
export interface ByteStreamEvents {
  /** Bytes that arrived; valid during the call. False: no more, please, until `resume`. */
  receive(bytes: Uint8Array): boolean;
  /** The other side is gone, or was never reached. No call follows. */
  ended(): void;
}

/** The other end of a serial line: a pseudo terminal, a socket, an echo. Bytes arrive whole and in order. */
export interface ByteStream {
  /** Somebody at the USB side is there to read. Nothing is received before, nor inside the call. */
  open(events: ByteStreamEvents): void;
  /**
   * Sends bytes; they belong to the stream until `taken` runs, once, inside the call or later, also when the
   * stream has ended. One write at a time, and only while open.
   */
  write(bytes: Uint8Array, taken: () => void): void;
  /** After `receive` has answered false. */
  resume(): void;
  /** Nobody reads any more. What was written still leaves; it may be opened again. */
  close(): void;
}
