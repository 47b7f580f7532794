import type { Cancellable, Loop } from "../usb/loop.ts";

/** A VMM sends what belongs together at once; on a machine that is busy the last of it may come late. */
const SETTLED_MS = 50;

/**
 * While the guest's memory is being mapped anew. To change one piece, a VMM takes away what lies around it and gives it back
 * right after (QEMU does that while firmware sets up shadow memory, with devices at work): a ring is not gone then, and
 * nothing is read or written until it is back. The virtual processors stand still meanwhile, so that an access of theirs tells
 * that it is over.
 */
export class MemoryPause {
  isOn = false;
  readonly #loop: Loop;
  readonly #over: () => void;
  #timer: Cancellable | undefined;

  constructor(loop: Loop, over: () => void) {
    this.#loop = loop;
    this.#over = over;
  }

  /** Something was taken away. */
  begin(): void {
    this.isOn = true;
    this.#wait();
  }

  /** Something was given. */
  goOn(): void {
    if (this.isOn) this.#wait();
  }

  end(): void {
    if (!this.isOn) return;
    this.isOn = false;
    this.#timer?.cancel();
    this.#over();
  }

  #wait(): void {
    this.#timer?.cancel();
    this.#timer = this.#loop.after(SETTLED_MS, () => this.end());
  }
}
