import type { Log } from "./log.ts";
import type { SessionRegistry } from "./session-registry.ts";

const QUIET_MS = 1_000;

/** Tells of connections that were sent away for want of room: one line a second, however many there are. */
export class Refusals {
  readonly #log: Log;
  readonly #registry: SessionRegistry;
  #toldMs = Number.NEGATIVE_INFINITY;
  #untold = 0;
  #reason = "";

  constructor(log: Log, registry: SessionRegistry) {
    this.#log = log;
    this.#registry = registry;
  }

  refused(reason: string, nowMs: number): void {
    this.#untold++;
    this.#reason = reason;
    this.patrol(nowMs);
  }

  /** Something is left to tell. */
  get pending(): boolean {
    return this.#untold > 0;
  }

  patrol(nowMs: number): void {
    if (this.#untold === 0 || nowMs - this.#toldMs < QUIET_MS) return;
    const count = this.#untold;
    this.#untold = 0;
    this.#toldMs = nowMs;
    const told = `${count} closed at once, because ${this.#reason}`;
    this.#log.warn({ code: "TOO_MANY_CONNECTIONS", count }, `TOO_MANY_CONNECTIONS: ${told}`);
    this.#registry.turnedAway("TOO_MANY_CONNECTIONS", told);
  }
}
