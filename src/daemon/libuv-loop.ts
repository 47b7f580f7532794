import { watch } from "../linux/descriptor-watch.ts";
import { SystemError } from "../linux/system-error.ts";
import type { Cancellable, Loop } from "../usb/loop.ts";

/** The event loop of this thread. */
export class LibuvLoop implements Loop {
  readonly lookMs: number;

  constructor(lookMs = 0) {
    this.lookMs = lookMs;
  }

  now(): number {
    return performance.now();
  }

  after(delayMs: number, callback: () => void): Cancellable {
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  }

  soon(callback: () => void): void {
    setImmediate(callback);
  }

  /** Throws a SystemError for a descriptor that cannot be watched: whoever opened it knows better. */
  watch(fd: number, direction: "readable" | "writable", callback: () => void): Cancellable {
    const watching = watch(fd, direction, callback);
    if (watching instanceof SystemError) throw watching;
    return watching;
  }
}
