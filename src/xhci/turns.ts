import { Fifo } from "../usb/fifo.ts";
import type { Loop } from "../usb/loop.ts";
import { TRBS_PER_TURN } from "./limits.ts";

/** A ring that is walked when its turn comes. */
export interface Walker {
  /** Set while it waits for its turn. */
  isQueued: boolean;
  /** Walks on, as long as the turn has TRBs left. */
  walk(): void;
}

/** A device that has been given transfers. */
export interface Flushed {
  isUnflushed: boolean;
  flush(): void;
}

/** A doorbell only leaves a mark; rings are walked here, some TRBs in each turn of the loop. */
export class Turns {
  readonly #loop: Loop;
  readonly #walkers = new Fifo<Walker>();
  readonly #unflushed = new Fifo<Flushed>();
  #isAsked = false;
  #isPaused = false;
  /** TRBs that may still be walked in this turn. */
  left = 0;
  readonly #run = (): void => {
    this.#isAsked = false;
    this.#turn();
  };

  constructor(loop: Loop) {
    this.#loop = loop;
  }

  /** Nothing is walked or flushed until `resume`. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#isWaitedFor) this.#ask();
  }

  /** Has a ring walked. */
  add(walker: Walker): void {
    if (!walker.isQueued) {
      walker.isQueued = true;
      this.#walkers.push(walker);
    }
    this.#ask();
  }

  /** Has a device flushed at the end of the turn. */
  addFlush(device: Flushed): void {
    if (!device.isUnflushed) {
      device.isUnflushed = true;
      this.#unflushed.push(device);
    }
    this.#ask();
  }

  #turn(): void {
    if (this.#isPaused) return;
    this.left = TRBS_PER_TURN;
    while (this.left > 0 && this.#walkers.length > 0) {
      const walker = this.#walkers.shift()!;
      walker.isQueued = false;
      walker.walk();
    }
    for (let count = this.#unflushed.length; count > 0; count--) {
      const device = this.#unflushed.shift()!;
      device.isUnflushed = false;
      device.flush();
    }
    if (this.#isWaitedFor) this.#ask();
  }

  get #isWaitedFor(): boolean {
    return this.#walkers.length + this.#unflushed.length > 0;
  }

  #ask(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    this.#loop.soon(this.#run);
  }
}
