import { endianness } from "node:os";
import { type Libc, libc } from "./libc.ts";
import { MemoryAddresses } from "./memory-address.ts";
import { SystemError } from "./system-error.ts";

const MSG_DONTWAIT = 0x40;
/** A peer that is gone is an error of the call, not a SIGPIPE. */
const MSG_NOSIGNAL = 0x4000;
const SHUT_WR = 1;
const F_DUPFD_CLOEXEC = 1030;
const EINTR = 4;
const EAGAIN = 11;
const ENOSYS = 38;
const IOV_MAX = 1024;

/** Chunks of one call that are remembered. */
const DESCRIBED = 128;

/** struct iovec in 32-bit words: iov_base, iov_len. */
const IOV_WORDS = 4;
/** struct msghdr in 32-bit words, and where its msg_iov and msg_iovlen are. */
const MSG_WORDS = 14;
const MSG_IOV = 4;
const MSG_IOVLEN = 6;
const HIGH = 2 ** 32;
const NO_BYTES = new Uint8Array(0);

/** Nothing moves at this moment. */
export const WOULD_BLOCK = -1;

/**
 * Reads and writes connected stream sockets without waiting, for one thread. Nothing is allocated for a
 * call. Answers WOULD_BLOCK, a number of bytes, or what failed.
 */
export class StreamSockets {
  readonly #libc: Libc;
  readonly #addresses: MemoryAddresses;
  readonly #vector = new Uint32Array(IOV_MAX * IOV_WORDS);
  readonly #message = new Uint32Array(MSG_WORDS);
  readonly #messageAddress: bigint;
  /** What was received into last, and where it is. */
  #received: Uint8Array = NO_BYTES;
  #receivedAddress = 0n;
  /** What was sent by itself last, and where it is. */
  #alone: Uint8Array = NO_BYTES;
  #aloneAddress = 0n;
  /** The first chunks that were sent last, which the vector still describes. Steady traffic sends the same again. */
  readonly #described: (Uint8Array | undefined)[] = Array.from({ length: DESCRIBED });

  private constructor(c: Libc) {
    this.#libc = c;
    this.#addresses = new MemoryAddresses(c);
    putAddress(this.#message, MSG_IOV, this.#addresses.of(this.#vector));
    this.#messageAddress = c.address(this.#message.buffer);
  }

  /** ENOSYS where the C library cannot be called, or lays out its structs in another way. */
  static open(): StreamSockets | SystemError {
    const c = libc();
    if (c instanceof SystemError) return c;
    return c.pointerSize === 8 && endianness() === "LE"
      ? new StreamSockets(c)
      : new SystemError("calling sendmsg", ENOSYS);
  }

  /** Fills `bytes` from the front; 0 is the end of what the peer sends. */
  receive(fd: number, bytes: Uint8Array): number | SystemError {
    if (bytes !== this.#received) {
      this.#received = bytes;
      this.#receivedAddress = BigInt(this.#addresses.of(bytes));
    }
    for (;;) {
      const length = this.#libc.recv(fd, this.#receivedAddress, bytes.length, MSG_DONTWAIT);
      if (length >= 0) return length;
      const errno = this.#libc.errno();
      if (errno === EAGAIN) return WOULD_BLOCK;
      if (errno !== EINTR) return new SystemError("recv", errno);
    }
  }

  /** Sends `chunks` from byte `offset` of chunk `first` on, or as much of it as one call takes, `mostBytes` at most. */
  send(
    fd: number,
    chunks: readonly Uint8Array[],
    first: number,
    offset: number,
    mostBytes?: number,
  ): number | SystemError {
    const whole = Math.min(chunks.length - first, IOV_MAX);
    if (whole === 1) return this.#sendAlone(fd, chunks[first]!, offset, mostBytes);
    const count =
      mostBytes === undefined ? whole : this.#countWithin(mostBytes, chunks, first, offset, whole);
    let skip = offset;
    for (let i = 0; i < count; i++) {
      const chunk = chunks[first + i]!;
      if (skip === 0 && i < DESCRIBED && chunk === this.#described[i]) continue;
      const word = i * IOV_WORDS;
      putAddress(this.#vector, word, this.#addresses.of(chunk) + skip);
      this.#vector[word + 2] = chunk.length - skip;
      if (i < DESCRIBED) this.#described[i] = skip === 0 ? chunk : undefined;
      skip = 0;
    }
    if (mostBytes !== undefined) this.#cutLast(mostBytes, count);
    this.#message[MSG_IOVLEN] = count;
    for (;;) {
      const length = this.#libc.sendmsg(fd, this.#messageAddress, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (length >= 0) return length;
      const errno = this.#libc.errno();
      if (errno === EAGAIN) return WOULD_BLOCK;
      if (errno !== EINTR) return new SystemError("sendmsg", errno);
    }
  }

  /** One chunk needs no vector, which costs the kernel as much as the copying of some hundred bytes. */
  #sendAlone(fd: number, chunk: Uint8Array, offset: number, mostBytes?: number): number | SystemError {
    if (chunk !== this.#alone) {
      this.#alone = chunk;
      this.#aloneAddress = BigInt(this.#addresses.of(chunk));
    }
    const address = offset === 0 ? this.#aloneAddress : this.#aloneAddress + BigInt(offset);
    const size = Math.min(chunk.length - offset, mostBytes ?? chunk.length);
    for (;;) {
      const length = this.#libc.send(fd, address, size, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (length >= 0) return length;
      const errno = this.#libc.errno();
      if (errno === EAGAIN) return WOULD_BLOCK;
      if (errno !== EINTR) return new SystemError("send", errno);
    }
  }

  /** How many chunks it takes for so many bytes. */
  #countWithin(
    mostBytes: number,
    chunks: readonly Uint8Array[],
    first: number,
    offset: number,
    whole: number,
  ): number {
    let bytes = -offset;
    let count = 0;
    while (count < whole && bytes < mostBytes) bytes += chunks[first + count++]!.length;
    return count;
  }

  /** Shortens the last chunk of the vector, so that all of them have so many bytes. */
  #cutLast(mostBytes: number, count: number): void {
    let before = 0;
    for (let i = 0; i < count - 1; i++) before += this.#vector[i * IOV_WORDS + 2]!;
    const word = (count - 1) * IOV_WORDS + 2;
    if (count === 0 || before + this.#vector[word]! <= mostBytes) return;
    this.#vector[word] = mostBytes - before;
    if (count <= DESCRIBED) this.#described[count - 1] = undefined;
  }

  /** Tells the peer that no more will come. A peer that is gone needs not be told. */
  finish(fd: number): void {
    this.#libc.shutdown(fd, SHUT_WR);
  }

  close(fd: number): void {
    this.#libc.close(fd);
    // Chunks of a session that is over would keep its memory.
    this.#described.fill(undefined);
    this.#alone = NO_BYTES;
  }
}

/** A second descriptor of the same socket, closed on exec. The caller owns it. */
export function duplicate(fd: number): number | SystemError {
  const c = libc();
  if (c instanceof SystemError) return c;
  const copy = c.fcntl(fd, F_DUPFD_CLOEXEC, 0);
  return copy < 0 ? new SystemError("fcntl F_DUPFD_CLOEXEC", c.errno()) : copy;
}

function putAddress(words: Uint32Array, at: number, address: number): void {
  // The store keeps the lower 32 bits.
  words[at] = address;
  words[at + 1] = address / HIGH;
}
