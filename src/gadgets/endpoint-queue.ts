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
  readonly #urbs = new Fifo<Urb>();
  /** One for each URB, isochronous only. */
  readonly #dueMs = new Fifo<number>();
  #scheduledMs = 0;

  constructor(endpoint: Endpoint, frameMs: number) {
    this.endpoint = endpoint;
    this.isochronous = endpoint.type === TransferType.isochronous;
    this.#intervalMs = endpoint.interval * frameMs;
  }

  get head(): Urb | undefined {
    return this.#urbs.first;
  }

  /** When the head may complete; infinite when there is nothing to wait for. */
  get dueMs(): number {
    return this.#dueMs.first ?? Number.POSITIVE_INFINITY;
  }

  push(urb: Urb, loop: Loop): void {
    this.#urbs.push(urb);
    if (!this.isochronous) return;
    this.#scheduledMs = Math.max(loop.now(), this.#scheduledMs) + urb.packetCount * this.#intervalMs;
    this.#dueMs.push(this.#scheduledMs);
  }

  shift(): Urb | undefined {
    if (this.isochronous) this.#dueMs.shift();
    return this.#urbs.shift();
  }

  /** False if the URB is not pending here. */
  remove(urb: Urb): boolean {
    const at = this.#urbs.indexOf(urb);
    if (at < 0) return false;
    this.#urbs.removeAt(at);
    if (!this.isochronous) return true;
    this.#dueMs.removeAt(at);
    // A driver that cancels its whole stream and starts anew does not wait for the intervals it gave back.
    this.#scheduledMs = this.#dueMs.at(this.#dueMs.length - 1) ?? 0;
    return true;
  }
}
