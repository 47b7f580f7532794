import type { Endpoint } from "../usb/endpoint-map.ts";
import { Fifo } from "../usb/fifo.ts";
import type { Loop } from "../usb/loop.ts";
import { TransferType, type Urb } from "../usb/urb.ts";

/**
 * The pending URBs of one endpoint, oldest first. An isochronous URB is due when its last packet would
 * have passed on a bus: packets follow each other at the service interval without gaps, and a URB that
 * comes late begins at once and shifts all that follow. Every other URB is due from the start.
 */
export class EndpointQueue {
  readonly endpoint: Endpoint;
  readonly isochronous: boolean;
  readonly #intervalMs: number;
  #head: Urb | undefined;
  /** Those behind the head: none, where a device answers at once. */
  readonly #others = new Fifo<Urb>();
  /** One for each URB, isochronous only. */
  readonly #dueMs = new Fifo<number>();
  #scheduledMs = 0;

  constructor(endpoint: Endpoint, frameMs: number) {
    this.endpoint = endpoint;
    this.isochronous = endpoint.type === TransferType.isochronous;
    this.#intervalMs = endpoint.interval * frameMs;
  }

  carries(type: TransferType): boolean {
    return this.endpoint.type === type;
  }

  get head(): Urb | undefined {
    return this.#head;
  }

  /** When the head may complete; infinite when there is nothing to wait for. */
  get dueMs(): number {
    return this.#dueMs.first ?? Number.POSITIVE_INFINITY;
  }

  push(urb: Urb, loop: Loop): void {
    if (this.#head === undefined) this.#head = urb;
    else this.#others.push(urb);
    if (!this.isochronous) return;
    this.#scheduledMs = Math.max(loop.now(), this.#scheduledMs) + urb.packetCount * this.#intervalMs;
    this.#dueMs.push(this.#scheduledMs);
  }

  shift(): Urb | undefined {
    const urb = this.#head;
    this.#head = this.#others.length > 0 ? this.#others.shift() : undefined;
    if (this.isochronous) this.#dueMs.shift();
    return urb;
  }

  /** False if the URB is not pending here. */
  remove(urb: Urb): boolean {
    if (urb === this.#head) {
      this.shift();
    } else {
      const at = this.#others.indexOf(urb);
      if (at < 0) return false;
      this.#others.removeAt(at);
      if (this.isochronous) this.#dueMs.removeAt(at + 1);
    }
    // A driver that cancels its whole stream and starts anew does not wait for the intervals it gave back.
    if (this.isochronous) this.#scheduledMs = this.#dueMs.at(this.#dueMs.length - 1) ?? 0;
    return true;
  }
}
