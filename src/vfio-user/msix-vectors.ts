import type { EventDescriptor } from "../linux/event-descriptor.ts";

/**
 * The MSI-X vectors of a function. Whether one is masked is for the client to tell (SET_IRQS): it keeps the table itself. What
 * cannot be delivered stays pending, and is delivered when it can be.
 */
export class MsixVectors {
  readonly count: number;
  readonly #events: (EventDescriptor | undefined)[];
  readonly #isMasked: Uint8Array;
  readonly #isPending: Uint8Array;
  /** How often the guest was interrupted. */
  raised = 0;

  constructor(count: number) {
    this.count = count;
    this.#events = Array.from({ length: count }, () => undefined);
    this.#isMasked = new Uint8Array(count);
    this.#isPending = new Uint8Array(count);
  }

  /** Interrupts the guest. */
  raise(vector: number): void {
    const event = this.#events[vector];
    if (event === undefined || this.#isMasked[vector] === 1) this.#isPending[vector] = 1;
    else {
      this.raised++;
      event.signal();
    }
  }

  isPending(vector: number): boolean {
    return this.#isPending[vector] === 1;
  }

  /** Takes the event over, and closes it when there is another one. */
  assign(vector: number, event: EventDescriptor | undefined): void {
    this.#events[vector]?.close();
    this.#events[vector] = event;
    this.#deliver(vector);
  }

  mask(vector: number): void {
    this.#isMasked[vector] = 1;
  }

  unmask(vector: number): void {
    this.#isMasked[vector] = 0;
    this.#deliver(vector);
  }

  /** Until events are assigned anew. */
  disable(): void {
    for (const event of this.#events) event?.close();
    this.#events.fill(undefined);
    this.#isMasked.fill(0);
  }

  /** Nothing is pending; the events stay. */
  reset(): void {
    this.#isPending.fill(0);
    this.#isMasked.fill(0);
  }

  #deliver(vector: number): void {
    if (this.#isPending[vector] !== 1) return;
    this.#isPending[vector] = 0;
    this.raise(vector);
  }
}
