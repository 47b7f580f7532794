import type { Percentiles } from "./latency-histogram.ts";
import type { TransferStatus } from "./urb.ts";

/** URBs that did not end well, by `TransferStatus`; only those that occurred. */
export type ErrorFigures = Readonly<Partial<Record<keyof typeof TransferStatus, number>>>;

/** What a session has carried. */
export interface TransferFigures {
  /** URBs that have ended, refused ones included, also those for endpoints that the device does not have. */
  readonly urbs: number;
  readonly inFlight: number;
  /** Bytes from the device, and to it. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly errors: ErrorFigures;
  /** From the bytes of the request to the answer, as this side sees them. Refused URBs do not count. */
  readonly latency: Percentiles;
  /** Only endpoints that were used, of those that the device has. */
  readonly endpoints: readonly EndpointFigures[];
}

export interface EndpointFigures {
  /** With the direction in bit 7. */
  readonly address: number;
  readonly urbs: number;
  readonly bytes: number;
  readonly errors: ErrorFigures;
  readonly latency: Percentiles;
  /** The latencies of all URBs together. */
  readonly tookUs: number;
  /** `[n]` took less than 2^n us and not less than half of it; the last one that there can be, `[27]`, is open. */
  readonly histogram: readonly number[];
}
