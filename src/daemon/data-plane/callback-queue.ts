type Callback = () => void;

/** A queue that was longer gives its memory back. */
const KEPT = 4096;

/** Callbacks for later, without garbage: one list is filled while the other is run. */
export class CallbackQueue {
  #filling: (Callback | undefined)[] = [];
  #running: (Callback | undefined)[] = [];
  #count = 0;

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  add(callback: Callback): void {
    this.#filling[this.#count++] = callback;
  }

  /** Runs what was added before; what they add waits for the next call. */
  run(): void {
    const list = this.#filling;
    const count = this.#count;
    this.#filling = this.#running;
    this.#running = list;
    this.#count = 0;
    for (let i = 0; i < count; i++) {
      const callback = list[i]!;
      list[i] = undefined;
      callback();
    }
    // Shortening gives all of it back, so that it is done only where it is worth it.
    if (list.length > KEPT) list.length = 0;
  }
}
