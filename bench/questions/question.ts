import type { Case } from "../case.ts";
import type { LoadClient } from "../load.ts";
import type { Costs } from "../pairs.ts";

/** What something that the host does besides costs a transfer. */
export interface Question {
  readonly name: string;
  readonly cases: readonly Case[];
  start(one: Case, client: LoadClient, measureMs: number): Promise<Measurement>;
}

/** Servers that run until it is stopped. */
export interface Measurement {
  measure(withIt: boolean): Promise<Costs>;
  stop(): Promise<void>;
}

/** Where a system does not tell what is asked. */
export function noTimes(): Error {
  return new Error("this system does not tell what processor time a program took (/proc/PID/task)");
}
