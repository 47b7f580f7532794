import type { Cancellable, Loop } from "../usb/loop.ts";

/** A peer is dead after four of them, and somebody who is to be heard speaks in every second one. */
export const SILENCE_PART_MS = 2_500;

/** A timer that is so late says that this process was held up: what it has not heard it may not have read. */
const HELD_UP_MS = 1_000;

/** Counts for how many parts of the limit a peer has been silent. */
export class Silence {
  readonly #loop: Loop;
  readonly #passed: (silentParts: number) => void;
  #isHeard = false;
  #silentParts = 0;
  #timer: Cancellable | undefined;

  /** `passed` runs at the end of each part, from `start` to `stop`. */
  constructor(loop: Loop, passed: (silentParts: number) => void) {
    this.#loop = loop;
    this.#passed = passed;
  }

  start(): void {
    const dueMs = this.#loop.now() + SILENCE_PART_MS;
    this.#timer = this.#loop.after(SILENCE_PART_MS, () => {
      const isHeldUp = this.#loop.now() - dueMs > HELD_UP_MS;
      this.#silentParts = this.#isHeard || isHeldUp ? 0 : this.#silentParts + 1;
      this.#isHeard = false;
      this.start();
      this.#passed(this.#silentParts);
    });
  }

  heard(): void {
    this.#isHeard = true;
  }

  stop(): void {
    this.#timer?.cancel();
  }
}
