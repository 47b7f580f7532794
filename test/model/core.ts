import type { StoreBuffers } from "./store-buffers.ts";

/** What one side remembers between its steps. */
export interface Side {
  readonly at: string;
  /** Messages that it has written or read. */
  readonly count: number;
}

/** What one step of one side sees and does. A step that cannot be taken yet leaves `moved` false. */
export class Core {
  readonly #memory: StoreBuffers;
  readonly #bells: boolean[];
  readonly #thread: number;
  #side: Side;
  #moved = false;
  #misread: string | undefined;

  constructor(memory: StoreBuffers, bells: boolean[], thread: number, side: Side) {
    this.#memory = memory;
    this.#bells = bells;
    this.#thread = thread;
    this.#side = side;
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
    this.#side = { at, count };
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

  /** A doorbell keeps one ring until it is heard, as a byte in a socket does. */
  wake(thread: number, next: string): void {
    this.#bells[thread] = true;
    this.go(next);
  }

  sleep(next: string): void {
    if (!this.#bells[this.#thread]) return;
    this.#bells[this.#thread] = false;
    this.go(next);
  }
}
