import type { LinkError } from "../links/link-error.ts";
import type { Log } from "./log.ts";

const QUIET_MS = 1_000;

/** Tells of those who dialled and were not trusted: for each reason one line a second, however many come. */
export class TurnedAwayLog {
  readonly #log: Log;
  readonly #told: (code: string, reason: string) => void;
  readonly #now: () => number;
  readonly #last = new Map<string, { toldMs: number; untold: number }>();

  constructor(log: Log, told: (code: string, reason: string) => void, now: () => number) {
    this.#log = log;
    this.#told = told;
    this.#now = now;
  }

  hear({ code, message }: LinkError): void {
    const nowMs = this.#now();
    const last = this.#last.get(code) ?? { toldMs: Number.NEGATIVE_INFINITY, untold: 0 };
    this.#last.set(code, last);
    if (nowMs - last.toldMs < QUIET_MS) {
      last.untold++;
      return;
    }
    const others = last.untold === 0 ? "" : ` (and ${last.untold} others since the last line)`;
    last.toldMs = nowMs;
    last.untold = 0;
    this.#log.warn({ code }, `${code} ${message}${others}`);
    this.#told(code, message);
  }
}
