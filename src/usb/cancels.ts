import type { Cancellable, Loop } from "./loop.ts";

/** A cancel must come back within a second, whatever the host does; the rest is for a busy loop. */
const PATIENCE_MS = 700;

/** What was cancelled at a peer and has no answer, oldest first. */
export class Cancels<Submission> {
  readonly #loop: Loop;
  readonly #abandon: (submission: Submission) => void;
  readonly #sentMs = new Map<Submission, number>();
  #timer: Cancellable | undefined;

  /** `abandon`: the peer is silent. */
  constructor(loop: Loop, abandon: (submission: Submission) => void) {
    this.#loop = loop;
    this.#abandon = abandon;
  }

  add(submission: Submission): void {
    this.#sentMs.set(submission, this.#loop.now());
    this.#timer ??= this.#loop.after(PATIENCE_MS, () => this.#look());
  }

  remove(submission: Submission): void {
    this.#sentMs.delete(submission);
    if (this.#sentMs.size === 0) this.clear();
  }

  clear(): void {
    this.#sentMs.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #look(): void {
    this.#timer = undefined;
    const nowMs = this.#loop.now();
    const expired: Submission[] = [];
    for (const [submission, sentMs] of this.#sentMs) {
      const leftMs = sentMs + PATIENCE_MS - nowMs;
      if (leftMs > 0) {
        this.#timer = this.#loop.after(leftMs, () => this.#look());
        break;
      }
      expired.push(submission);
    }
    for (const submission of expired) this.#sentMs.delete(submission);
    for (const submission of expired) this.#abandon(submission);
  }
}
