import { yieldProcessor } from "../../linux/processor.ts";
import { WaitPolicy } from "../../ring/wait-policy.ts";
import type { PollLoop } from "../data-plane/poll-loop.ts";
import type { RingSide } from "./ring-side.ts";

/** Looks between two turns of the loop, while there is work without end. */
const LOOKS_BEFORE_TURN = 256;

/**
 * Drives one side of a ring in a thread that does nothing else: it looks for work by itself, and sleeps only when there was
 * none for a while, because to be woken up takes longer than most requests.
 */
export class RingDriver {
  readonly #side: RingSide;
  readonly #loop: PollLoop;
  readonly #policy: WaitPolicy;
  readonly #now: () => number;
  #looks = 0;
  #isStopped = false;

  /** `budgetMs`: how long to look; 0 where both sides share one processor. */
  constructor(side: RingSide, loop: PollLoop, budgetMs: number) {
    this.#side = side;
    this.#loop = loop;
    this.#policy = new WaitPolicy(budgetMs);
    this.#now = () => loop.now();
  }

  /** Until stopped. Throws what a callback throws, or if the system refuses to wait. */
  run(): void {
    this.#isStopped = false;
    this.#side.awake();
    let found = false;
    while (!this.#isStopped) {
      switch (this.#policy.next(found, this.#now)) {
        case "poll":
          found = this.#look();
          break;
        case "yield":
          yieldProcessor();
          this.#loop.turn(0);
          found = false;
          break;
        case "announce":
          found = !this.#side.sleep();
          break;
        case "block":
          this.#loop.rest();
          this.#side.awake();
          found = false;
      }
    }
  }

  /** `run` returns soon. */
  stop(): void {
    this.#isStopped = true;
  }

  #look(): boolean {
    const found = this.#side.poll();
    this.#loop.runSoon();
    if (++this.#looks === LOOKS_BEFORE_TURN) {
      this.#looks = 0;
      this.#loop.turn(0);
    }
    return found;
  }
}
