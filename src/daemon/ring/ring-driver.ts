import { yieldProcessor } from "../../linux/processor.ts";
import { WaitPolicy } from "../../ring/wait-policy.ts";
import type { PollLoop } from "../data-plane/poll-loop.ts";
import type { RingSide } from "./ring-side.ts";

/** A processor that was given away and comes back only then is wanted by others, too. */
const CROWDED_MS = 0.5;
/** Waits without looking, before it is tried again whether the others are gone. */
const WAITS_ASLEEP = 256;

const LOOKED = 0;
const TURNED = 1;

/** Looks between two turns of the loop, while there is work without end. */
const LOOKS_BEFORE_TURN = 256;
/** And the longest time, while there is none: a turn takes longer than a look. */
const TURN_MS = 0.02;

/**
 * Drives one side of a ring in a thread that does nothing else: it looks for work by itself, and sleeps only when there was
 * none for a while, because to be woken up takes longer than most requests. Unless others want its processor: who gives it away
 * to them waits for milliseconds, while who is woken up has it at once.
 */
export class RingDriver {
  readonly #side: RingSide;
  readonly #loop: PollLoop;
  readonly #looking: WaitPolicy;
  readonly #sleeping = new WaitPolicy(0);
  readonly #now = (): number => {
    const nowMs = this.#loop.now();
    this.#times[LOOKED] = nowMs;
    return nowMs;
  };
  /** When the clock was looked at last, and when the loop had its turn. */
  readonly #times = new Float64Array(2);
  #looks = 0;
  /** Waits that are left until it looks again. */
  #waitsAsleep = 0;
  #isStopped = false;

  /** `budgetMs`: how long to look; 0 where both sides share one processor. */
  constructor(side: RingSide, loop: PollLoop, budgetMs: number) {
    this.#side = side;
    this.#loop = loop;
    this.#looking = new WaitPolicy(budgetMs);
  }

  /** Until stopped. Throws what a callback throws, or if the system refuses to wait. */
  run(): void {
    this.#isStopped = false;
    this.#side.awake();
    let found = false;
    /** The last look found nothing, and nothing else was done since. */
    let isLooking = false;
    while (!this.#isStopped) {
      const policy = this.#waitsAsleep > 0 ? this.#sleeping : this.#looking;
      switch (policy.next(found, this.#now)) {
        case "poll":
          found = (!isLooking || this.#side.hasNews) && this.#look();
          isLooking = !found;
          break;
        case "yield":
          this.#giveAway();
          found = false;
          isLooking = false;
          break;
        case "announce":
          found = !this.#side.sleep();
          isLooking = false;
          break;
        case "block":
          this.#loop.rest();
          this.#side.awake();
          if (this.#waitsAsleep > 0) this.#waitsAsleep--;
          found = false;
          isLooking = false;
      }
    }
  }

  /** `run` returns soon. */
  stop(): void {
    this.#isStopped = true;
  }

  #giveAway(): void {
    // The policy has just asked for the time.
    const beforeMs = this.#times[LOOKED]!;
    yieldProcessor();
    const nowMs = this.#now();
    if (nowMs - beforeMs > CROWDED_MS) this.#waitsAsleep = WAITS_ASLEEP;
    if (nowMs - this.#times[TURNED]! < TURN_MS) return;
    this.#times[TURNED] = nowMs;
    this.#loop.turn(0);
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
