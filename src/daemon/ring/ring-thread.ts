import { availableParallelism } from "node:os";
import { allowedProcessors, allowProcessors } from "../../linux/processor.ts";
import { SystemError } from "../../linux/system-error.ts";
import { Failed, WrongUsage } from "../failure.ts";

/** How the thread that has the rings waits, and where it runs: what was said of it. */
export interface RingThreadChoice {
  /** Microseconds that it looks for work before it sleeps. */
  readonly lookUs?: number | undefined;
  /** The processor that it stays on. */
  readonly cpu?: number | undefined;
}

/** The same, decided. */
export interface RingThread {
  readonly lookUs: number;
  readonly cpu?: number;
}

/** Longer than it takes to wake up the other side, and more than most answers take. */
const LOOK_US = 50;
/** Everything else on the thread has its turn meanwhile, but its processor is not idle. */
export const LONGEST_LOOK_US = 100_000;

/** Throws WrongUsage for a processor that this process may not use. */
export function ringThread({ lookUs, cpu }: RingThreadChoice): RingThread {
  if (cpu !== undefined) {
    const allowed = allowedProcessors();
    if (allowed instanceof SystemError) {
      throw new WrongUsage(`a processor cannot be chosen here: ${allowed.message}. Leave out --ring-cpu.`);
    }
    if (!allowed.includes(cpu)) {
      throw new WrongUsage(
        `processor ${cpu} is none that this process may run on. Choose one of ${allowed.join(", ")}.`,
      );
    }
  }
  // On the only processor every look takes it from the other side.
  const byMachine = availableParallelism() > 1 ? LOOK_US : 0;
  return { lookUs: lookUs ?? byMachine, ...(cpu !== undefined && { cpu }) };
}

/**
 * Keeps this thread on its processor, and tells where threads may run that it starts from now on, which would stay there, too;
 * nothing if it goes where it likes.
 */
export function pinRingThread({ cpu }: RingThread): readonly number[] | undefined {
  if (cpu === undefined) return undefined;
  const before = allowedProcessors();
  const refused = before instanceof SystemError ? before : allowProcessors([cpu]);
  if (refused === undefined) return before as readonly number[];
  throw new Failed(
    `the thread of the rings cannot stay on processor ${cpu}: ${refused.message}. Leave out --ring-cpu.`,
  );
}
