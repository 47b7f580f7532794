import assert from "node:assert/strict";
import { fstatSync } from "node:fs";
import { libc, type PollHandle } from "./libc.ts";
import { SystemError } from "./system-error.ts";

export type Direction = "readable" | "writable";

/** A watch that can be ended. Ending it twice does nothing. */
export interface DescriptorWatch {
  cancel(): void;
}

interface Watched {
  readonly handle: PollHandle;
  readable?: (() => void) | undefined;
  writable?: (() => void) | undefined;
}

const EBADF = 9;
const EPERM = 1;

// The event loop takes one poll handle per descriptor, so both directions share it. This map also keeps the
// handle alive: koffi holds it weakly, and a collected handle ends the watch without a word.
const watched = new Map<number, Watched>();

/**
 * Runs `callback` each time the descriptor can be read (or written), also when it fails or hangs up, until
 * cancelled. Cancel before the descriptor is closed. One watch per descriptor and direction; a descriptor
 * that a `net.Socket` owns cannot be watched.
 */
export function watch(fd: number, direction: Direction, callback: () => void): DescriptorWatch | SystemError {
  const c = libc();
  if (c instanceof SystemError) return c;
  const refused = unwatchable(fd);
  if (refused !== undefined) return refused;

  const entry = watched.get(fd) ?? { handle: c.pollInEventLoop(fd, {}, () => {}) };
  assert.equal(entry[direction], undefined, `descriptor ${fd} is already watched for ${direction}`);
  watched.set(fd, entry);
  entry[direction] = callback;
  restart(entry);
  return {
    cancel() {
      if (entry[direction] !== callback) return;
      entry[direction] = undefined;
      if (entry.readable !== undefined || entry.writable !== undefined) {
        restart(entry);
        return;
      }
      watched.delete(fd);
      entry.handle.stop();
      entry.handle.close();
    },
  };
}

/** koffi aborts the process when the event loop refuses a descriptor, so those are found out before. */
function unwatchable(fd: number): SystemError | undefined {
  try {
    const stats = fstatSync(fd);
    return stats.isFile() || stats.isDirectory() ? new SystemError("watching a file", EPERM) : undefined;
  } catch {
    return new SystemError(`watching descriptor ${fd}`, EBADF);
  }
}

function restart(entry: Watched): void {
  const interest = { readable: entry.readable !== undefined, writable: entry.writable !== undefined };
  entry.handle.start(interest, (status, events) => {
    // A failed descriptor reports no direction; whoever reads or writes it next meets the error.
    if (status < 0 || events.readable) entry.readable?.();
    if (status < 0 || events.writable) entry.writable?.();
  });
}
