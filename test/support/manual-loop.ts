import type { Cancellable, Loop } from "../../src/usb/loop.ts";

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

/** A callback that asks for another turn this often in a row is stuck. */
const TURNS_MAX = 100_000;

/** A loop whose time passes only when it is told to. Descriptors cannot be watched. */
export class ManualLoop implements Loop {
  #nowMs = 0;
  readonly #timers = new Set<Timer>();
  readonly #soon: (() => void)[] = [];

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): Cancellable {
    const timer: Timer = { atMs: this.#nowMs + Math.max(delayMs, 0), callback };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  soon(callback: () => void): void {
    this.#soon.push(callback);
  }

  watch(): Cancellable {
    throw new Error("a ManualLoop has no descriptors to watch");
  }

  /** Timers that have not run. */
  get timers(): number {
    return this.#timers.size;
  }

  /**
   * Runs one turn: what was asked for before it began. False if there was nothing. A callback that lets the loop settle runs
   * the rest of its turn.
   */
  turn(): boolean {
    const count = this.#soon.length;
    for (let left = count; left > 0 && this.#soon.length > 0; left--) this.#soon.shift()!();
    return count > 0;
  }

  /** Runs turns until nothing is left to do at this time. */
  settle(): void {
    for (let turns = 0; this.turn(); turns++) {
      if (turns === TURNS_MAX) throw new Error(`the loop is still busy after ${TURNS_MAX} turns`);
    }
  }

  /** Lets time pass, timer by timer in the order of their times. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    this.settle();
    for (let timer = this.#next(endMs); timer !== undefined; timer = this.#next(endMs)) {
      this.#timers.delete(timer);
      this.#nowMs = Math.max(this.#nowMs, timer.atMs);
      timer.callback();
      this.settle();
    }
    this.#nowMs = endMs;
  }

  #next(endMs: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.atMs <= endMs && (next === undefined || timer.atMs < next.atMs)) next = timer;
    }
    return next;
  }
}
