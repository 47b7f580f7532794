import { latencyTicks } from "../usb/latency-histogram.ts";
import { TransferCounters } from "../usb/transfer-counters.ts";
import { isIn } from "../usb/urb.ts";
import type { Exchange } from "./exchange.ts";
import { DataMode } from "./messages.ts";
import { INLINE_SENT, INLINE_TAKEN, RingStats } from "./ring-stats.ts";
import { Status, transferStatusOf } from "./status.ts";

// What is imported is looked up at each use; a constant of its own module is part of the compiled code.
const { INLINE } = DataMode;

/** What a host counts of one device: by endpoint, for the device, and for its session. */
export class Account {
  readonly counters: TransferCounters;
  readonly stats = new RingStats();
  readonly #session: RingStats;
  readonly #clock: Float64Array;

  /** `clock`: one number, the time of what goes on. */
  constructor(endpoints: Iterable<number>, session: RingStats, clock: Float64Array) {
    this.counters = TransferCounters.of(endpoints);
    this.#session = session;
    this.#clock = clock;
  }

  /** A request came. */
  began(): void {
    this.counters.submitted();
    this.stats.submitted++;
    this.#session.submitted++;
  }

  /** Its data stand in its messages. `isTaken`: they came with it. */
  inline(isTaken: boolean): void {
    this.stats.inlineSubmits++;
    this.#session.inlineSubmits++;
    if (isTaken) this.#session.copies += INLINE_TAKEN;
  }

  /** Its data were copied out of shared memory. */
  copied(): void {
    this.#session.copies++;
  }

  /** It was one that makes no sense. */
  nonsense(): void {
    this.stats.validationFailures++;
    this.#session.validationFailures++;
  }

  /** It led to no transfer, for a status of the ring. */
  refused(address: number, status: number): void {
    this.counters.refused(Math.max(address, 0), transferStatusOf(status));
    this.stats.failed++;
    this.#session.failed++;
    this.#session.refusals.add(status);
    if (status !== Status.RATE_LIMITED) return;
    this.stats.rateLimitHits++;
    this.#session.rateLimitHits++;
  }

  /** Its answer was sent. */
  ended({ urb, moved, arrivedMs, dataMode }: Exchange): void {
    const { status, endpoint } = urb;
    const isIncoming = isIn(endpoint);
    const ticks = latencyTicks(this.#clock[0]! - arrivedMs);
    const session = this.#session;
    this.counters.ended(endpoint, status, moved, ticks);
    this.stats.ended(status, isIncoming, moved);
    session.ended(status, isIncoming, moved);
    session.latency.addTicks(ticks);
    if (dataMode === INLINE && moved > 0 && isIncoming) session.copies += INLINE_SENT;
  }
}
