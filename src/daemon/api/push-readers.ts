import type { ServerResponse } from "node:http";
import { Refusal } from "./refusal.ts";

const HEAD = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  "x-accel-buffering": "no",
};

/** Readers of one stream of server-sent events (WHATWG HTML §9.2), each with what it has asked for. */
export class PushReaders<Wish> {
  readonly #open = new Map<ServerResponse, Wish>();
  readonly #max: number;
  readonly #what: string;
  readonly #changed: (count: number) => void;

  /** `what` they read, in a word; `changed` is told how many they are. */
  constructor(max: number, what: string, changed: (count: number) => void) {
    this.#max = max;
    this.#what = what;
    this.#changed = changed;
  }

  /** Throws a Refusal while there is no room; to be asked before the response is taken out of other hands. */
  admit(): void {
    if (this.#open.size < this.#max) return;
    throw new Refusal(
      "TOO_MANY_CLIENTS",
      `${this.#open.size} clients read ${this.#what}. End one of them, then try again.`,
    );
  }

  /** False if it has gone: that may have been while this API was being loaded, and nothing would tell. */
  open(response: ServerResponse, wish: Wish): boolean {
    if (response.destroyed || response.closed) return false;
    response.writeHead(200, HEAD);
    response.flushHeaders();
    this.#open.set(response, wish);
    response.once("close", () => {
      this.#open.delete(response);
      this.#changed(this.#open.size);
    });
    this.#changed(this.#open.size);
    return true;
  }

  [Symbol.iterator](): Iterator<[ServerResponse, Wish]> {
    return this.#open.entries();
  }
}
