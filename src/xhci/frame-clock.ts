import type { Cancellable, Loop } from "../usb/loop.ts";

const MICROFRAME_MS = 0.125;
const MFINDEX_MASK = 0x3fff;
const WRAP_MS = (MFINDEX_MASK + 1) * MICROFRAME_MS;

/** MFINDEX (xHCI §5.5.1): microframes of real time, while the controller runs. */
export class FrameClock {
  readonly #loop: Loop;
  readonly #wrapped: () => void;
  #startMs = 0;
  /** Where it stands while it stands. */
  #stoppedAt = 0;
  #isRunning = false;
  #timer: Cancellable | undefined;

  /** `wrapped` runs at each wrap while that is wished for. */
  constructor(loop: Loop, wrapped: () => void) {
    this.#loop = loop;
    this.#wrapped = wrapped;
  }

  get index(): number {
    if (!this.#isRunning) return this.#stoppedAt;
    return Math.floor((this.#loop.now() - this.#startMs) / MICROFRAME_MS) & MFINDEX_MASK;
  }

  start(): void {
    this.#startMs = this.#loop.now() - this.#stoppedAt * MICROFRAME_MS;
    this.#isRunning = true;
  }

  stop(): void {
    this.#stoppedAt = this.index;
    this.#isRunning = false;
    this.tellWraps(false);
  }

  reset(): void {
    this.stop();
    this.#stoppedAt = 0;
  }

  /** USBCMD.EWE. */
  tellWraps(isWished: boolean): void {
    if (!isWished || !this.#isRunning) {
      this.#timer?.cancel();
      this.#timer = undefined;
      return;
    }
    if (this.#timer !== undefined) return;
    const sinceWrapMs = (this.#loop.now() - this.#startMs) % WRAP_MS;
    this.#timer = this.#loop.after(WRAP_MS - sinceWrapMs, () => {
      this.#timer = undefined;
      this.#wrapped();
      this.tellWraps(true);
    });
  }
}
