import type { Cancellable, Loop } from "../usb/loop.ts";

/** How long a CMD_SUBMIT may come behind its CMD_UNLINK. Linux sends it next; a canceller waits for us. */
const PATIENCE_MS = 250;

/** More at a time than any client has is not kept but answered at once. */
const CAPACITY = 1024;

interface EarlyUnlink {
  readonly seqnum: number;
  readonly timer: Cancellable;
}

/**
 * CMD_UNLINKs that came before the CMD_SUBMIT they cancel. Linux sends what is to be cancelled from a list of
 * its own and does not look whether a request was queued meanwhile, so under load the two change places (seen
 * with test 24 of usbtest on 6.1). An answer "finished already" would make the client forget a request whose
 * RET_SUBMIT is still to come, and that RET_SUBMIT would end its link. So the answer waits for the request.
 */
export class EarlyUnlinks {
  readonly #loop: Loop;
  readonly #expired: (seqnum: number) => void;
  /** By the seqnum of the CMD_SUBMIT. */
  readonly #bySubmit = new Map<number, EarlyUnlink>();

  /** `expired`: no CMD_SUBMIT came for the CMD_UNLINK with this seqnum. */
  constructor(loop: Loop, expired: (seqnum: number) => void) {
    this.#loop = loop;
    this.#expired = expired;
  }

  /** Keeps a CMD_UNLINK; false if it must be answered at once. */
  keep(seqnum: number, submitSeqnum: number): boolean {
    if (this.#bySubmit.has(submitSeqnum) || this.#bySubmit.size >= CAPACITY) return false;
    const timer = this.#loop.after(PATIENCE_MS, () => {
      this.#bySubmit.delete(submitSeqnum);
      this.#expired(seqnum);
    });
    this.#bySubmit.set(submitSeqnum, { seqnum, timer });
    return true;
  }

  /** The CMD_UNLINK that waits for this CMD_SUBMIT, which is no longer kept. */
  take(submitSeqnum: number): number | undefined {
    if (this.#bySubmit.size === 0) return undefined;
    const early = this.#bySubmit.get(submitSeqnum);
    if (early === undefined) return undefined;
    this.#bySubmit.delete(submitSeqnum);
    early.timer.cancel();
    return early.seqnum;
  }

  clear(): void {
    for (const { timer } of this.#bySubmit.values()) timer.cancel();
    this.#bySubmit.clear();
  }
}
