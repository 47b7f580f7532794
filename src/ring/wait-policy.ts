/** What one side of a ring does next while it waits. */
export type WaitStep =
  /** Look for work. */
  | "poll"
  /** Give the processor away: the other side may need this very one. Then look again. */
  | "yield"
  /** Say that this side sleeps, and look once more. */
  | "announce"
  /** Wait until the other side rings, or until something else is due. */
  | "block";

/**
 * Looks in a row before the processor is given away: more than an answer takes. One that comes while it is away is late, and then
 * the other side, which has waited for longer, gives its own away, and so on with each message.
 */
const POLLS = 256;
/** And as few as that where the other side needs this very processor: its answer is there when the processor is back. */
const FEWEST_POLLS = 4;

/**
 * How long to look, and when to sleep. Waking up a thread on another processor takes longer than most requests, so
 * looking is worth some time; without giving the processor away it would cost that time on each message where both
 * sides share one. Where what was found was found right behind a `yield`, again and again, they do: then it is given away sooner. The machine is fed what came of each step, and has no clock of its own.
 */
export class WaitPolicy {
  readonly #budgetMs: number;
  #polls = 0;
  /** Looks until the next `yield`. */
  #patience = POLLS;
  #hasYielded = false;
  /** When the last work was done; nothing while that is not known. */
  #sinceMs: number | undefined;
  #step: WaitStep = "poll";

  /** `budgetMs`: to look after the last work. 0 where there is one processor: each look takes it from the other side. */
  constructor(budgetMs: number) {
    this.#budgetMs = budgetMs;
  }

  /**
   * The next step. `found`: the last one was `poll`, or `announce` and its look, and there was something. `nowMs` is asked
   * for only where it decides.
   */
  next(found: boolean, nowMs: () => number): WaitStep {
    this.#step = this.#after(found, nowMs);
    return this.#step;
  }

  #after(found: boolean, nowMs: () => number): WaitStep {
    if (found || this.#step === "block") {
      if (found && this.#step === "poll" && this.#budgetMs > 0) this.#learn();
      this.#hasYielded = false;
      this.#polls = 0;
      this.#sinceMs = undefined;
      return "poll";
    }
    switch (this.#step) {
      case "announce":
        return "block";
      case "yield":
        return "poll";
      case "poll":
        return this.#idle(nowMs);
    }
  }

  #idle(nowMs: () => number): WaitStep {
    if (this.#budgetMs === 0) return "announce";
    if (++this.#polls < this.#patience) return "poll";
    this.#polls = 0;
    const now = nowMs();
    this.#sinceMs ??= now;
    if (now - this.#sinceMs >= this.#budgetMs) return "announce";
    this.#hasYielded = true;
    return "yield";
  }

  /** Something was found by a look: by the first one behind a `yield`, or by one of those before it. */
  #learn(): void {
    // More of what was there already tells nothing.
    if (this.#polls === 0 && !this.#hasYielded) return;
    const isSharing = this.#hasYielded && this.#polls === 0;
    this.#patience = isSharing ? Math.max(this.#patience >> 1, FEWEST_POLLS) : POLLS;
  }
}
