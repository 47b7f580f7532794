import { latencyTicks } from "../usb/latency-histogram.ts";
import type { Loop } from "../usb/loop.ts";
import type { TransferCounters } from "../usb/transfer-counters.ts";
import { TransferStatus, type Urb } from "../usb/urb.ts";
import type { Exchange } from "./exchange.ts";

const { ok } = TransferStatus;

/** When the bytes came that are being taken in, and when the first answer to them was there. */
const ARRIVED = 0;
const ANSWERED = 1;

/**
 * Counts the transfers of a session by batches of requests: one look at the clock serves all that a batch leads to at once, and
 * what one endpoint completes in a row is counted in one go. Nothing is left uncounted when a batch ends.
 */
export class BatchCounters {
  readonly #counters: TransferCounters;
  readonly #loop: Loop;
  /** Somebody looks for lost time: each completion has a time of its own. */
  readonly #isTraced: boolean;
  /** A number with a fraction that goes from field to field is an object on its way. */
  readonly #times = new Float64Array(2);
  /** The clock was looked at for an answer to these bytes. */
  #isAnswered = false;
  /** Between the two times. */
  #ticks = 0;
  #inBatch = false;
  #submitted = 0;
  /** Transfers in a row that the endpoint completed as they came in. */
  #endpoint = 0;
  #ended = 0;
  #bytes = 0;

  constructor(counters: TransferCounters, loop: Loop, isTraced: boolean) {
    this.#counters = counters;
    this.#loop = loop;
    this.#isTraced = isTraced;
  }

  get arrivedMs(): number {
    return this.#times[ARRIVED]!;
  }

  begin(): void {
    this.#times[ARRIVED] = this.#loop.now();
    this.#inBatch = true;
  }

  end(): void {
    this.#settle();
    this.#inBatch = false;
    this.#isAnswered = false;
  }

  /** In a batch only. */
  submitted(): void {
    this.#submitted++;
  }

  completed(exchange: Exchange): void {
    const { urb, arrivedMs } = exchange;
    const times = this.#times;
    if (!this.#isAnswered || this.#isTraced) {
      this.#settle();
      times[ANSWERED] = this.#loop.now();
      this.#ticks = latencyTicks(times[ANSWERED] - times[ARRIVED]!);
      this.#isAnswered = this.#inBatch;
    }
    if (this.#isTraced) exchange.completedMs = times[ANSWERED]!;
    const bytes = movedBytes(urb);
    if (this.#inBatch && urb.status === ok && arrivedMs === times[ARRIVED]) {
      if (urb.endpoint !== this.#endpoint) this.#settle();
      this.#endpoint = urb.endpoint;
      this.#ended++;
      this.#bytes += bytes;
      return;
    }
    const ticks = arrivedMs === times[ARRIVED] ? this.#ticks : latencyTicks(times[ANSWERED]! - arrivedMs);
    this.#settle();
    this.#counters.ended(urb.endpoint, urb.status, bytes, ticks);
  }

  /** One was answered without the device. */
  refused(endpoint: number, status: TransferStatus): void {
    this.#settle();
    this.#counters.refused(endpoint, status);
  }

  /** What was submitted goes first: whoever looks meanwhile never finds more answers than requests. */
  #settle(): void {
    if (this.#submitted > 0) this.#counters.submitted(this.#submitted);
    this.#submitted = 0;
    if (this.#ended > 0) {
      this.#counters.ended(this.#endpoint, ok, this.#bytes, this.#ticks, this.#ended);
    }
    this.#ended = 0;
    this.#bytes = 0;
  }
}

/** A device is not believed. */
function movedBytes({ actualLength, length }: Urb): number {
  return Math.min(Math.max(actualLength, 0), length);
}
