import { TransferStatus } from "../usb/urb.ts";

const { ok, cancelled } = TransferStatus;

/** What a session has counted, beyond what `TransferCounters` count for each device. */
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

  ended(status: TransferStatus, isIn: boolean, moved: number): void {
    this.completed++;
    if (status === cancelled) this.cancelled++;
    else if (status !== ok) this.failed++;
    if (isIn) this.bytesIn += moved;
    else this.bytesOut += moved;
  }
}
