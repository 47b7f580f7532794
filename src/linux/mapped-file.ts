import { fstatSync } from "node:fs";
import { constants } from "node:os";
import { type Libc, libc } from "./libc.ts";
import { SystemError } from "./system-error.ts";

const PROT_READ = 0x1;
const PROT_READ_WRITE = 0x1 | 0x2;
const MAP_SHARED = 0x1;
const MAP_PRIVATE = 0x2;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const NO_FILE = -1;
const PAGE = 4096;
const { EBADF, EINVAL } = constants.errno;

/** Node 20 ends the process when a view has more than 4 GiB. */
const WINDOW = 2 ** 30;
/** Windows overlap by half, so that every shorter range lies in one of them. */
const STEP = WINDOW / 2;

interface Range {
  readonly libc: Libc;
  readonly address: number;
  readonly length: number;
  /** Windows that somebody may still look through. */
  windows: number;
}

const forgotten = new FinalizationRegistry<Range>((range) => {
  range.windows--;
  if (range.windows === 0) range.libc.munmap(range.address, range.length);
});

/**
 * A part of a file of another process, of any size: memory of a virtual machine, say. Whoever has the file can end this process
 * by cutting it (SIGBUS). After `free` what is left of its views sees ordinary memory.
 */
export class MappedFile {
  readonly length: number;
  readonly isWritable: boolean;
  readonly #range: Range;
  readonly #windows: (Uint8Array | undefined)[] = [];
  #freed = false;

  private constructor(range: Range, isWritable: boolean) {
    this.#range = range;
    this.length = range.length;
    this.isWritable = isWritable;
  }

  /** EINVAL if that is not all within a file, or not whole pages. The descriptor is needed no longer then. */
  static of(fd: number, offset: number, length: number, isWritable: boolean): MappedFile | SystemError {
    const c = libc();
    if (c instanceof SystemError) return c;
    const call = `mmap of descriptor ${fd}`;
    const size = fileSize(fd);
    if (size === undefined) return new SystemError(call, EBADF);
    const isWhole = length > 0 && length % PAGE === 0 && offset % PAGE === 0;
    if (!isWhole || offset + length > size) return new SystemError(call, EINVAL);
    const protection = isWritable ? PROT_READ_WRITE : PROT_READ;
    const address = c.mmap(0, length, protection, MAP_SHARED, fd, offset);
    // MAP_FAILED is the largest address there is.
    if (typeof address !== "number") return new SystemError(call, c.errno());
    return new MappedFile({ libc: c, address, length, windows: 0 }, isWritable);
  }

  /** Nothing for a range that is not within, or longer than half a GiB. Writing to what is not writable ends the process. */
  view(offset: number, length: number): Uint8Array | undefined {
    if (this.#freed || length > STEP || offset + length > this.length) return undefined;
    const index = Math.floor(offset / STEP);
    const window = this.#windows[index] ?? this.#open(index);
    const at = offset - index * STEP;
    return window.subarray(at, at + length);
  }

  /** Doing it twice does nothing. */
  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    const { libc: c, address, length } = this.#range;
    const windows = this.#windows.filter((window) => window !== undefined);
    this.#windows.length = 0;
    if (windows.length === 0) {
      c.munmap(address, length);
      return;
    }
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    c.mmap(address, length, PROT_READ_WRITE, flags, NO_FILE, 0);
    this.#range.windows = windows.length;
    for (const window of windows) forgotten.register(window.buffer, this.#range);
  }

  #open(index: number): Uint8Array {
    const at = index * STEP;
    const { libc: c, address } = this.#range;
    const window = new Uint8Array(c.view(address + at, Math.min(WINDOW, this.length - at)));
    this.#windows[index] = window;
    return window;
  }
}

/** Nothing for what is no file. */
function fileSize(fd: number): number | undefined {
  try {
    const stats = fstatSync(fd);
    return stats.isFile() ? stats.size : undefined;
  } catch {
    return undefined;
  }
}
