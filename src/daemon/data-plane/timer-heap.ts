import type { Cancellable } from "../../usb/loop.ts";

/** Timers, the earliest first; of two for the same time the one that was set first. */
export class TimerHeap {
  readonly #heap: Timer[] = [];
  #count = 0;

  add(atMs: number, callback: () => void): Cancellable {
    const timer = new Timer(this, atMs, this.#count++, callback);
    this.#heap.push(timer);
    this.#up(timer, this.#heap.length - 1);
    return timer;
  }

  /** When the first is due; nothing while there is none. */
  get dueMs(): number | undefined {
    return this.#heap[0]?.atMs;
  }

  /** Runs what is due and was set before this call: a timer without delay must not hold up everything else. */
  run(nowMs: number): void {
    const before = this.#count;
    for (let timer = this.#heap[0]; timer !== undefined; timer = this.#heap[0]) {
      if (timer.atMs > nowMs || timer.number >= before) return;
      this.remove(timer);
      timer.callback();
    }
  }

  remove(timer: Timer): void {
    const { place } = timer;
    if (place < 0) return;
    timer.place = GONE;
    const last = this.#heap.pop()!;
    if (last === timer) return;
    this.#up(last, place);
    this.#down(last, last.place);
  }

  #up(timer: Timer, from: number): void {
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = this.#heap[above]!;
      if (!isBefore(timer, parent)) break;
      this.#put(parent, place);
      place = above;
    }
    this.#put(timer, place);
  }

  #down(timer: Timer, from: number): void {
    let place = from;
    for (;;) {
      let below = 2 * place + 1;
      const left = this.#heap[below];
      const right = this.#heap[below + 1];
      if (left === undefined) break;
      let child = left;
      if (right !== undefined && isBefore(right, left)) {
        child = right;
        below++;
      }
      if (!isBefore(child, timer)) break;
      this.#put(child, place);
      place = below;
    }
    this.#put(timer, place);
  }

  #put(timer: Timer, place: number): void {
    this.#heap[place] = timer;
    timer.place = place;
  }
}

/** The place of a timer that has run or was cancelled. */
const GONE = -1;

class Timer implements Cancellable {
  readonly atMs: number;
  readonly number: number;
  readonly callback: () => void;
  place = GONE;
  readonly #heap: TimerHeap;

  constructor(heap: TimerHeap, atMs: number, number: number, callback: () => void) {
    this.#heap = heap;
    this.atMs = atMs;
    this.number = number;
    this.callback = callback;
  }

  cancel(): void {
    this.#heap.remove(this);
  }
}

function isBefore(one: Timer, other: Timer): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.number < other.number);
}
