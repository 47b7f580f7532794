/** A timer or a watch that can be ended. Ending it twice does nothing. */
export interface Cancellable {
  cancel(): void;
}

/**
 * The clock and scheduler that sources, sinks and drivers see. All callbacks of one loop run one after
 * another on one thread.
 */
export interface Loop {
  /**
   * How long its thread may look by itself for what another thread of this machine is about to answer, before it sleeps: to be
   * woken up takes longer than most answers. Nothing: it sleeps at once.
   */
  readonly lookMs?: number;
  /** Monotonic time in milliseconds, with fractions. */
  now(): number;
  /** Runs `callback` once, not before `delayMs` milliseconds have passed. */
  after(delayMs: number, callback: () => void): Cancellable;
  /** Runs `callback` once, after the current callback has returned and before the loop sleeps. */
  soon(callback: () => void): void;
  /**
   * Runs `callback` each time the descriptor can be read (or written) until cancelled. Cancel before the
   * descriptor is closed.
   */
  watch(fd: number, direction: "readable" | "writable", callback: () => void): Cancellable;
}
