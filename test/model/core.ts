import type { StoreBuffers } from "./store-buffers.ts";

/** What one side remembers between its steps. */
export interface Side {
  readonly at: string;
  /** Messages that it has written or read. */
  readonly count: number;
  /** What the other side's bell was. */
  readonly noted: number;
}

/** What one step of one side sees and does. A step that cannot be taken yet leaves `moved` false. */
export class Core {
  readonly #memory: StoreBuffers;
  readonly #bells: boolean[];
  readonly #thread: number;
  readonly #sleeps: (thread: number) => boolean;
  #side: Side;
  #moved = false;
  #misread: string | undefined;

  /** `sleeps`: whether a side waits in its futex. */
  constructor(
    memory: StoreBuffers,
    bells: boolean[],
    thread: number,
    side: Side,
    sleeps: (thread: number) => boolean,
  ) {
    this.#memory = memory;
    this.#bells = bells;
    this.#thread = thread;
    this.#side = side;
    this.#sleeps = sleeps;
  }

  get side(): Side {
    return this.#side;
  }

  get moved(): boolean {
    return this.#moved;
  }

  /** What was wrong with the message that this step has read. */
  get misread(): string | undefined {
    return this.#misread;
  }

  get count(): number {
    return this.#side.count;
  }

  go(at: string, count = this.count): void {
    this.#side = { ...this.#side, at, count };
    this.#moved = true;
  }

  load(cell: number): number {
    return this.#memory.load(this.#thread, cell);
  }

  store(cell: number, value: number, release: boolean, next: string, count = this.count): void {
    if (!this.#memory.canStore(this.#thread)) return;
    this.#memory.store(this.#thread, cell, value, release);
    this.go(next, count);
  }

  /** Waits until all stores of this side have left, where there is a fence at all. */
  fence(isThere: boolean, next: string): void {
    if (!isThere || this.#memory.isDrained(this.#thread)) this.go(next);
  }

  /** Takes the next message, which must be the one after those before it. */
  take(message: number, next: string): void {
    if (message !== this.count + 1) this.#misread = `message ${this.count + 1} is read as ${message}`;
    this.go(next, this.count + 1);
  }

  note(value: number, next: string): void {
    this.#side = { ...this.#side, noted: value };
    this.go(next);
  }

  /** A descriptor keeps one ring until it is heard. */
  ring(thread: number, next: string): void {
    this.#bells[thread] = true;
    this.go(next);
  }

  /** Waits for a ring, and takes it. */
  hear(next: string): void {
    if (!this.#bells[this.#thread]) return;
    this.#bells[this.#thread] = false;
    this.go(next);
  }

  /** FUTEX_WAKE: of one that does not sleep nothing is kept. */
  wakeSleeper(thread: number, next: string): void {
    if (this.#sleeps(thread)) this.#bells[thread] = true;
    this.go(next);
  }

  /** FUTEX_WAIT: looks at memory as everybody sees it, and sleeps in the same step. */
  sleepWhile(cell: number, asleep: string, changed: string): void {
    this.go(this.#memory.settled(cell) === this.#side.noted ? asleep : changed);
  }
}
