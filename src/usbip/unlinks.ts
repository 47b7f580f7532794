import type { Cancellable, Loop } from "../usb/loop.ts";
import type { Submission } from "./submission.ts";

/**
 * The kernel's server queues its answer to a CMD_UNLINK whose request has finished, and sends it with the next
 * completion, whenever that is. Any request makes one.
 */
const NUDGE_MS = 150;

/** A cancel must come back within a second, whatever the peer does; the rest is for a busy loop. */
const PATIENCE_MS = 700;

interface Unlink {
  readonly submission: Submission;
  readonly sentMs: number;
  nudged: boolean;
}

/** What an unanswered CMD_UNLINK leads to. */
export interface UnlinkOutput {
  /** Sends a request that does no harm. */
  nudge(): void;
  /** The request is given back without an answer. */
  abandon(submission: Submission): void;
}

/** CMD_UNLINKs without an answer, oldest first. */
export class Unlinks {
  readonly #loop: Loop;
  readonly #output: UnlinkOutput;
  readonly #bySeqnum = new Map<number, Unlink>();
  #timer: Cancellable | undefined;

  constructor(loop: Loop, output: UnlinkOutput) {
    this.#loop = loop;
    this.#output = output;
  }

  get size(): number {
    return this.#bySeqnum.size;
  }

  has(seqnum: number): boolean {
    return this.#bySeqnum.has(seqnum);
  }

  add(seqnum: number, submission: Submission): void {
    this.#bySeqnum.set(seqnum, { submission, sentMs: this.#loop.now(), nudged: false });
    this.#timer ??= this.#loop.after(NUDGE_MS, () => this.#look());
  }

  /** The submission that an answered CMD_UNLINK was for. */
  take(seqnum: number): Submission | undefined {
    const unlink = this.#bySeqnum.get(seqnum);
    this.#bySeqnum.delete(seqnum);
    return unlink?.submission;
  }

  clear(): void {
    this.#bySeqnum.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #look(): void {
    this.#timer = undefined;
    const nowMs = this.#loop.now();
    let nudge = false;
    let dueMs = Number.POSITIVE_INFINITY;
    const expired: Submission[] = [];
    for (const unlink of this.#bySeqnum.values()) {
      const ageMs = nowMs - unlink.sentMs;
      if (!unlink.nudged && ageMs >= NUDGE_MS) {
        unlink.nudged = true;
        nudge = true;
      }
      if (unlink.submission.urb !== undefined && ageMs >= PATIENCE_MS) expired.push(unlink.submission);
      else if (!unlink.nudged) dueMs = Math.min(dueMs, unlink.sentMs + NUDGE_MS);
      else if (unlink.submission.urb !== undefined) dueMs = Math.min(dueMs, unlink.sentMs + PATIENCE_MS);
    }
    if (dueMs !== Number.POSITIVE_INFINITY) {
      this.#timer = this.#loop.after(Math.max(dueMs - nowMs, 1), () => this.#look());
    }
    if (nudge) this.#output.nudge();
    for (const submission of expired) this.#output.abandon(submission);
  }
}
