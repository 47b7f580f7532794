import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { lockFile } from "../../linux/file-lock.ts";

/** Another process may change what the lock guards. */
export interface HeldLock {
  /** Which one, if it has told. */
  readonly heldBy: number | undefined;
}

/** Keeps a second process from changing a file of the state. It ends with the process, however that ends. */
export class StateLock {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Throws what the system says if the file cannot be opened or locked. */
  static take(path: string): StateLock | HeldLock {
    const fd = openSync(path, "a+", 0o600);
    const refused = lockFile(fd, "exclusive");
    if (refused !== undefined && refused.code !== "ENOSYS") {
      closeSync(fd);
      if (refused.code !== "EAGAIN") throw refused;
      const pid = Number.parseInt(readFileSync(path, "utf8"), 10);
      return { heldBy: Number.isNaN(pid) ? undefined : pid };
    }
    // For people and messages alone: the lock is that of flock(2), and a file left behind locks nothing.
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}\n`);
    return new StateLock(fd);
  }

  release(): void {
    closeSync(this.#fd);
  }
}
