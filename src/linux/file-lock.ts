import { libc } from "./libc.ts";
import { SystemError } from "./system-error.ts";

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Locks a file against other holders of such locks (flock(2)) without waiting: EAGAIN if somebody has it. The
 * lock ends with the descriptor.
 */
export function lockFile(fd: number, kind: "shared" | "exclusive"): SystemError | undefined {
  const c = libc();
  if (c instanceof SystemError) return c;
  const operation = (kind === "shared" ? LOCK_SH : LOCK_EX) | LOCK_NB;
  return c.flock(fd, operation) < 0 ? new SystemError("flock", c.errno()) : undefined;
}
