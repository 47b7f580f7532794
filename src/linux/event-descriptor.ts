import { fstatSync } from "node:fs";
import { constants } from "node:os";
import { type Libc, libc } from "./libc.ts";
import { SystemError } from "./system-error.ts";

const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;
const F_GETFL = 3;
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;
const FILE_TYPE = 0o170000;
const { EINVAL } = constants.errno;

/** Wakes a thread that waits in poll(2): readable from `signal` until `clear` (eventfd(2)). */
export class EventDescriptor {
  readonly fd: number;
  readonly #libc: Libc;
  readonly #value = new Uint32Array(2);

  private constructor(c: Libc, fd: number) {
    this.#libc = c;
    this.fd = fd;
  }

  /** The caller closes it. */
  static open(): EventDescriptor | SystemError {
    const c = libc();
    if (c instanceof SystemError) return c;
    const fd = c.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return fd < 0 ? new SystemError("eventfd", c.errno()) : new EventDescriptor(c, fd);
  }

  /** One that another thread has opened, and closes. */
  static of(fd: number): EventDescriptor | SystemError {
    const c = libc();
    return c instanceof SystemError ? c : new EventDescriptor(c, fd);
  }

  /**
   * One that another process has passed; the caller closes it. EINVAL for descriptors of files, pipes, sockets and devices. It is
   * told not to block: its owner could fill it, and who signals would wait.
   */
  static passed(fd: number): EventDescriptor | SystemError {
    const c = libc();
    if (c instanceof SystemError) return c;
    if (!isNameless(fd)) return new SystemError(`using descriptor ${fd} as an event`, EINVAL);
    const flags = c.fcntl(fd, F_GETFL, 0);
    const isSet = (flags & O_NONBLOCK) !== 0 || c.fcntl(fd, F_SETFL, flags | O_NONBLOCK) >= 0;
    return flags >= 0 && isSet ? new EventDescriptor(c, fd) : new SystemError("fcntl", c.errno());
  }

  signal(): void {
    this.#libc.eventfd_write(this.fd, 1);
  }

  clear(): void {
    this.#libc.eventfd_read(this.fd, this.#value);
  }

  close(): void {
    this.#libc.close(this.fd);
  }
}

/** Event descriptors are of no type of file (linux: fs/anon_inodes.c). */
function isNameless(fd: number): boolean {
  try {
    return (fstatSync(fd).mode & FILE_TYPE) === 0;
  } catch {
    return false;
  }
}
