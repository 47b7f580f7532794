/** What clients of a control API may cost. */
export interface ApiLimits {
  /** Of every kind; more are closed at once. */
  readonly connections: number;
  /** Readers of events. */
  readonly streams: number;
  /** Events that one reader has not taken; beyond it the reader is cut. All that are kept have to fit. */
  readonly streamBytes: number;
  readonly heartbeatMs: number;
  /** Recordings of devices. */
  readonly captures: number;
  /** Of a recording, beyond what waits in its ring, that its client has not taken. */
  readonly captureBytes: number;
  /** Attachments that are being made or waited for. */
  readonly operations: number;
  readonly bodyBytes: number;
  readonly headBytes: number;
  /** For a whole request to arrive. */
  readonly requestMs: number;
  /** For a connection without a request. */
  readonly idleMs: number;
  /** How long a client may take nothing of its answer. */
  readonly stallMs: number;
}

export const API_LIMITS: ApiLimits = {
  connections: 2048,
  streams: 128,
  streamBytes: 384 << 10,
  heartbeatMs: 15_000,
  captures: 8,
  captureBytes: 1 << 20,
  operations: 64,
  bodyBytes: 64 << 10,
  headBytes: 8 << 10,
  requestMs: 10_000,
  idleMs: 5_000,
  stallMs: 10_000,
};
