import { Fifo } from "../usb/fifo.ts";
import type { Loop } from "../usb/loop.ts";
import type { DeviceCalls } from "./device-calls.ts";

/** What happens around a call. */
export interface HostCallEvents {
  /** From here on every other call about this device would wait for this one. */
  began(): void;
  /** The call is over; `done` of it, and then perhaps another `began`, follow. */
  ended(): void;
  /** No call is under way. */
  idle(): void;
}

interface Step<C> {
  readonly fill: (calls: C) => void;
  readonly done: (calls: C) => void;
}

/**
 * Calls about one device that may take seconds: they hold the device's lock while the device is asked. Made in another
 * thread, one list after the other.
 */
export class HostCalls<C extends DeviceCalls> {
  readonly #calls: C;
  readonly #loop: Loop;
  readonly #events: HostCallEvents;
  readonly #steps = new Fifo<Step<C>>();
  #isBusy = false;

  constructor(calls: C, loop: Loop, events: HostCallEvents) {
    this.#calls = calls;
    this.#loop = loop;
    this.#events = events;
  }

  /** `fill` adds the calls when it is their turn; `done` reads their results. Neither runs inside of this. */
  run(fill: Step<C>["fill"], done: Step<C>["done"]): void {
    this.#steps.push({ fill, done });
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#events.began();
    this.#loop.soon(() => this.#next());
  }

  #next(): void {
    const step = this.#steps.shift();
    if (step === undefined) {
      this.#isBusy = false;
      this.#events.idle();
      return;
    }
    this.#calls.clear();
    step.fill(this.#calls);
    const ended = (): void => {
      this.#events.ended();
      step.done(this.#calls);
      this.#next();
    };
    if (!this.#calls.make(this.#loop, ended)) ended();
  }
}
