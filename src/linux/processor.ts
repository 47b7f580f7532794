import { constants } from "node:os";
import { libc } from "./libc.ts";
import { SystemError } from "./system-error.ts";

/** cpu_set_t: one bit for each of 1,024 processors. */
const SET_WORDS = 32;
const THIS_THREAD = 0;
const { EINVAL } = constants.errno;

/** Lets another thread have this processor (sched_yield(2)). */
export function yieldProcessor(): SystemError | undefined {
  const c = libc();
  if (c instanceof SystemError) return c;
  c.sched_yield();
  return undefined;
}

/** Keeps this thread on these processors; threads that it starts stay there, too. */
export function allowProcessors(cpus: readonly number[]): SystemError | undefined {
  const c = libc();
  if (c instanceof SystemError) return c;
  const set = new Uint32Array(SET_WORDS);
  for (const cpu of cpus) {
    if (!Number.isInteger(cpu) || cpu < 0 || cpu >= SET_WORDS * 32) return refused(cpus, EINVAL);
    set[cpu >> 5]! |= 1 << (cpu & 31);
  }
  return c.sched_setaffinity(THIS_THREAD, set.byteLength, set) < 0 ? refused(cpus, c.errno()) : undefined;
}

/** The processors that this thread may run on. */
export function allowedProcessors(): readonly number[] | SystemError {
  const c = libc();
  if (c instanceof SystemError) return c;
  const set = new Uint32Array(SET_WORDS);
  if (c.sched_getaffinity(THIS_THREAD, set.byteLength, set) < 0) {
    return new SystemError("sched_getaffinity", c.errno());
  }
  const cpus: number[] = [];
  for (let cpu = 0; cpu < SET_WORDS * 32; cpu++) if ((set[cpu >> 5]! >>> (cpu & 31)) & 1) cpus.push(cpu);
  return cpus;
}

function refused(cpus: readonly number[], errno: number): SystemError {
  return new SystemError(`sched_setaffinity to processor ${cpus.join(", ")}`, errno);
}
