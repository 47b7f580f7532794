import { constants, endianness } from "node:os";
import { type Libc, libc } from "./libc.ts";
import { MemoryAddresses } from "./memory-address.ts";
import { SystemError } from "./system-error.ts";

/** Of each architecture with 64-bit words (asm/unistd.h). */
const SYS_PREADV2: ReadonlyMap<string, number> = new Map([
  ["x64", 327],
  ["arm64", 286],
  ["riscv64", 286],
  ["loong64", 286],
  ["ppc64", 380],
]);
/** Only what needs no waiting. */
const RWF_NOWAIT = 0x8;
const { EAGAIN, EINTR, ENOSYS } = constants.errno;
const HIGH = 2 ** 32;

/** Reads of files from the memory in which the system keeps what was read or written before (preadv2(2)), for one thread. */
export class CachedReads {
  readonly #libc: Libc;
  readonly #call: number;
  readonly #addresses: MemoryAddresses;
  /** struct iovec: iov_base and iov_len, in two words each. */
  readonly #vector = new Uint32Array(4);
  readonly #vectorAddress: bigint;

  private constructor(c: Libc, call: number) {
    this.#libc = c;
    this.#call = call;
    this.#addresses = new MemoryAddresses(c);
    this.#vectorAddress = c.address(this.#vector.buffer);
  }

  /** ENOSYS where the C library cannot be called, or lays out its structs in another way. */
  static open(): CachedReads | SystemError {
    const c = libc();
    if (c instanceof SystemError) return c;
    const call = SYS_PREADV2.get(process.arch);
    if (call === undefined || c.pointerSize !== 8 || endianness() !== "LE") {
      return new SystemError("calling preadv2", ENOSYS);
    }
    return new CachedReads(c, call);
  }

  /**
   * Fills `target` with what is at a place of a file. False if some of it is not in memory, or not in the file; then `target`
   * may hold anything. ENOTSUP where its file system cannot tell.
   */
  read(fd: number, target: Uint8Array, place: number): boolean | SystemError {
    const address = this.#addresses.of(target);
    // The store keeps the lower 32 bits.
    this.#vector[0] = address;
    this.#vector[1] = address / HIGH;
    this.#vector[2] = target.length;
    const length = this.#libc.preadv2(this.#call, fd, this.#vectorAddress, 1, place, 0, RWF_NOWAIT);
    if (length >= 0) return length === target.length;
    const errno = this.#libc.errno();
    return errno === EAGAIN || errno === EINTR ? false : new SystemError("preadv2", errno);
  }
}
