import type { Loop } from "../../usb/loop.ts";
import type { RingSide } from "./ring-side.ts";

/** Rounds before everything else on the loop has its turn. */
const ROUNDS_IN_A_ROW = 16;

/**
 * Drives one side of a ring on a loop that others use, too: works when the other side has rung, and sleeps as soon as there
 * is nothing to do.
 */
export class RingPump {
  readonly #side: RingSide;
  readonly #loop: Loop;
  #isDue = false;
  #isStopped = false;

  constructor(side: RingSide, loop: Loop) {
    this.#side = side;
    this.#loop = loop;
  }

  /** The other side has rung, or it is to be looked whether it is there. */
  heard(): void {
    if (this.#isStopped) return;
    this.#side.awake();
    for (let round = 0; round < ROUNDS_IN_A_ROW && !this.#isStopped; round++) {
      if (!this.#side.poll() && this.#side.sleep()) return;
    }
    this.#soon();
  }

  /** Nothing is polled from here on. */
  stop(): void {
    this.#isStopped = true;
  }

  #soon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#loop.soon(() => {
      this.#isDue = false;
      this.heard();
    });
  }
}
