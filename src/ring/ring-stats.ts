import { LatencyHistogram } from "../usb/latency-histogram.ts";
import { TransferStatus } from "../usb/urb.ts";
import { RefusalCounts } from "./refusal-counts.ts";

const { ok, cancelled } = TransferStatus;

/** Copies of data within a message, by who sends it: into the ring. If that must wait there is one more. */
export const INLINE_SENT = 1;
/** And by who takes it: out of the ring, and out of the message. */
export const INLINE_TAKEN = 2;

/** What one side has counted in a session, beyond what `TransferCounters` count for each device. */
export class RingStats {
  submitted = 0;
  completed = 0;
  cancelled = 0;
  failed = 0;
  bytesOut = 0;
  bytesIn = 0;
  inlineSubmits = 0;
  /** Publications of more than one message. */
  batches = 0;
  rateLimitHits = 0;
  validationFailures = 0;
  /** Messages that had to wait for room in the ring. */
  ringFull = 0;
  /** Times that this side has copied the data of a URB. */
  copies = 0;
  readonly refusals = new RefusalCounts();
  /** From a request until its answer, as this side sees them. */
  readonly latency = new LatencyHistogram();

  ended(status: TransferStatus, isIn: boolean, moved: number): void {
    this.completed++;
    if (status === cancelled) this.cancelled++;
    else if (status !== ok) this.failed++;
    if (isIn) this.bytesIn += moved;
    else this.bytesOut += moved;
  }
}
