import { type Libc, libc } from "./libc.ts";
import { SystemError } from "./system-error.ts";

const PROT_READ_WRITE = 0x1 | 0x2;
const MAP_SHARED = 0x1;
const MAP_PRIVATE = 0x2;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const NO_FILE = -1;

interface Range {
  readonly libc: Libc;
  readonly address: number;
  readonly length: number;
}

/** Gives back the addresses of freed arenas, as soon as nobody can look at them any more. */
const forgotten = new FinalizationRegistry<Range>(({ libc: c, address, length }) => {
  c.munmap(address, length);
});

/**
 * Memory that stays where it is, for what the kernel keeps the address of. The owner frees it when the kernel has let go.
 * A view that is left over then sees ordinary memory instead: it can neither crash nor keep the file open.
 */
export class Arena {
  readonly bytes: Uint8Array;
  readonly address: number;
  readonly #libc: Libc;
  #freed = false;

  private constructor(c: Libc, address: number, length: number) {
    this.#libc = c;
    this.address = address;
    this.bytes = new Uint8Array(c.view(address, length));
  }

  /** Zeroed memory, a page of which costs nothing before it is touched. */
  static anonymous(length: number): Arena | SystemError {
    return Arena.#map(MAP_PRIVATE | MAP_ANONYMOUS, NO_FILE, length, "mmap");
  }

  /**
   * Memory of a file that other processes map too, or that a device driver lends (usbfs: what its controller reaches by
   * itself). A file that may become shorter ends this process with SIGBUS: see `memory-file.ts`.
   */
  static of(fd: number, length: number): Arena | SystemError {
    return Arena.#map(MAP_SHARED, fd, length, `mmap of descriptor ${fd}`);
  }

  static #map(flags: number, fd: number, length: number, call: string): Arena | SystemError {
    const c = libc();
    if (c instanceof SystemError) return c;
    const address = c.mmap(0, length, PROT_READ_WRITE, flags, fd, 0);
    // MAP_FAILED is the largest address there is.
    return typeof address === "number" ? new Arena(c, address, length) : new SystemError(call, c.errno());
  }

  /** Doing it twice does nothing. */
  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    const { address, bytes } = this;
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    this.#libc.mmap(address, bytes.length, PROT_READ_WRITE, flags, NO_FILE, 0);
    forgotten.register(bytes.buffer, { libc: this.#libc, address, length: bytes.length });
  }
}
