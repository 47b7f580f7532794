import assert from "node:assert/strict";
import { constants, endianness } from "node:os";
import type { Arena } from "./arena.ts";
import { type Libc, libc } from "./libc.ts";
import { SystemError } from "./system-error.ts";

/** Of each architecture with 64-bit words (asm/unistd.h). */
const SYS_FUTEX: ReadonlyMap<string, number> = new Map([
  ["x64", 202],
  ["arm64", 98],
  ["riscv64", 98],
  ["loong64", 98],
  ["ppc64", 221],
]);

/** Without FUTEX_PRIVATE_FLAG: the word may be shared with other processes. */
const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;
const { EAGAIN, EINTR, ENOSYS, ETIMEDOUT } = constants.errno;

/** How a wait has ended. A wake without a reason is possible: whoever waits looks again. */
export const FutexWait = { woken: 0, changed: 1, timedOut: 2 } as const;
export type FutexWait = (typeof FutexWait)[keyof typeof FutexWait];

/** A 32-bit word at which threads of this and other processes sleep (futex(2)). Nothing is allocated for a call. */
export class Futex {
  readonly #libc: Libc;
  readonly #call: number;
  /** Keeps the memory mapped. */
  readonly #arena: Arena;
  readonly #offset: number;
  /** struct timespec: tv_sec in two words, tv_nsec in two. */
  readonly #timeout = new Uint32Array(4);

  private constructor(c: Libc, call: number, arena: Arena, offset: number) {
    this.#libc = c;
    this.#call = call;
    this.#arena = arena;
    this.#offset = offset;
  }

  /** ENOSYS where the C library cannot be called, or lays out its structs in another way. */
  static at(arena: Arena, offset: number): Futex | SystemError {
    assert(offset % 4 === 0 && offset + 4 <= arena.bytes.length, "a futex is an aligned word of its arena");
    const c = libc();
    if (c instanceof SystemError) return c;
    const call = SYS_FUTEX.get(process.arch);
    if (call === undefined || c.pointerSize !== 8 || endianness() !== "LE") {
      return new SystemError("calling futex", ENOSYS);
    }
    return new Futex(c, call, arena, offset);
  }

  /**
   * Blocks this thread while the word is `expected`, for so long at most: other processes may write it, so there is no
   * waiting for ever.
   */
  wait(expected: number, timeoutMs: number): FutexWait | SystemError {
    const seconds = Math.floor(timeoutMs / 1_000);
    this.#timeout[0] = seconds;
    this.#timeout[2] = (timeoutMs - seconds * 1_000) * 1e6;
    const word = this.#arena.address + this.#offset;
    if (this.#libc.futex(this.#call, word, FUTEX_WAIT, expected | 0, this.#timeout, 0, 0) >= 0) {
      return FutexWait.woken;
    }
    const errno = this.#libc.errno();
    if (errno === EINTR) return FutexWait.woken;
    if (errno === EAGAIN) return FutexWait.changed;
    return errno === ETIMEDOUT ? FutexWait.timedOut : new SystemError("futex", errno);
  }

  /** Wakes one that waits; tells whether there was one. */
  wake(): boolean {
    const word = this.#arena.address + this.#offset;
    return this.#libc.futex(this.#call, word, FUTEX_WAKE, 1, null, 0, 0) > 0;
  }
}
