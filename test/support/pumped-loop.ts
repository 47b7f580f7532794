import type { PollLoop } from "../../src/daemon/data-plane/poll-loop.ts";
import { openPollLoop } from "./poll-loop.ts";

/** A poll loop that shares the thread with a test: it has a turn after each turn of the event loop, until `close`. */
export class PumpedLoop {
  readonly loop: PollLoop = openPollLoop();
  #closed = false;

  constructor() {
    this.#pump();
  }

  close(): void {
    this.#closed = true;
  }

  #pump(): void {
    setImmediate(() => {
      this.loop.turn(0);
      if (!this.#closed) this.#pump();
    });
  }
}
