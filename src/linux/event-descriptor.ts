import { type Libc, libc } from "./libc.ts";
import { SystemError } from "./system-error.ts";

const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;

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
