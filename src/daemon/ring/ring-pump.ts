import { yieldProcessor } from "../../linux/processor.ts";
import { WaitPolicy } from "../../ring/wait-policy.ts";
import type { Loop } from "../../usb/loop.ts";
import type { RingSide } from "./ring-side.ts";

/** Rounds of work before everything else on the loop has its turn. */
const ROUNDS_IN_A_ROW = 16;

/**
 * Drives one side of a ring on a loop that others use, too: works when the other side has rung. When there is nothing left to do
 * it looks for as long as the loop has for that, with a turn for the others every few microseconds, and then sleeps.
 */
export class RingPump {
  readonly #side: RingSide;
  readonly #loop: Loop;
  readonly #waiting: WaitPolicy;
  readonly #now: () => number;
  #isAsleep = true;
  #isDue = false;
  #isStopped = false;

  constructor(side: RingSide, loop: Loop) {
    this.#side = side;
    this.#loop = loop;
    this.#waiting = new WaitPolicy(loop.lookMs ?? 0);
    this.#now = () => loop.now();
  }

  /** The other side has rung, or it is to be looked whether it is there. */
  heard(): void {
    if (this.#isStopped) return;
    this.#awake();
    this.#run(true);
  }

  /** Something was sent that did not come of `heard`: an answer may be there before this side could have been woken up. */
  sent(): void {
    if (this.#isStopped || !this.#isAsleep || (this.#loop.lookMs ?? 0) === 0) return;
    this.#awake();
    this.#soon(true);
  }

  /** Nothing is polled from here on. */
  stop(): void {
    this.#isStopped = true;
  }

  #awake(): void {
    this.#isAsleep = false;
    this.#side.awake();
  }

  /** `found`: what came of the step before, as the policy wants to know it. */
  #run(found: boolean): void {
    let isFound = found;
    /** The last look found nothing, and nothing else was done since. */
    let isLooking = false;
    for (let rounds = 0; rounds < ROUNDS_IN_A_ROW && !this.#isStopped; ) {
      switch (this.#waiting.next(isFound, this.#now)) {
        case "poll":
          isFound = (!isLooking || this.#side.hasNews) && this.#side.poll();
          isLooking = !isFound;
          if (isFound) rounds++;
          break;
        case "yield":
          yieldProcessor();
          this.#soon(false);
          return;
        case "announce":
          isFound = !this.#side.sleep();
          isLooking = false;
          break;
        case "block":
          this.#isAsleep = true;
          return;
      }
    }
    this.#soon(isFound);
  }

  #soon(found: boolean): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#loop.soon(() => {
      this.#isDue = false;
      if (!this.#isStopped && !this.#isAsleep) this.#run(found);
    });
  }
}
