import assert from "node:assert/strict";
import { constants, endianness } from "node:os";
import { type Libc, libc } from "./libc.ts";
import { MemoryAddresses } from "./memory-address.ts";
import { WOULD_BLOCK } from "./stream-socket.ts";
import { SystemError } from "./system-error.ts";

const MSG_CTRUNC = 0x8;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const { EAGAIN, EINTR, EMSGSIZE, ENOSYS } = constants.errno;

/** One buffer in 32-bit words: struct msghdr, its struct iovec, its struct cmsghdr with descriptors. */
const IOVEC = 14;
const CONTROL = 18;
const RIGHTS = CONTROL + 4;
const MSG_IOV = 4;
const MSG_IOVLEN = 6;
const MSG_CONTROL = 8;
const MSG_CONTROLLEN = 10;
const MSG_FLAGS = 12;
const HIGH = 2 ** 32;
const NO_FDS: readonly number[] = [];

/** Bytes that have arrived, with the descriptors that came along, closed on exec. The caller owns those. */
export interface Passed {
  /** 0 is the end of what the peer sends. */
  readonly length: number;
  readonly fds: readonly number[];
}

/**
 * Sends the bytes and duplicates of descriptors over a connected unix socket, without waiting (unix(7), SCM_RIGHTS). Answers how
 * many bytes have left; the descriptors go with the first of them.
 */
export function sendDescriptors(fd: number, bytes: Uint8Array, fds: readonly number[]): number | SystemError {
  assert(bytes.length > 0 && fds.length > 0, "descriptors go with bytes");
  const c = libcOfLayout("sendmsg");
  if (c instanceof SystemError) return c;
  const message = messageOf(c, bytes, fds.length);
  message[CONTROL] = message[MSG_CONTROLLEN]!;
  message[CONTROL + 2] = SOL_SOCKET;
  message[CONTROL + 3] = SCM_RIGHTS;
  message.set(fds, RIGHTS);
  for (;;) {
    const length = c.sendmsg(fd, message, MSG_DONTWAIT | MSG_NOSIGNAL);
    // `bytes` is needed until here: the message has only its address.
    if (length >= 0) return Math.min(length, bytes.length);
    const errno = c.errno();
    if (errno === EAGAIN) return WOULD_BLOCK;
    if (errno !== EINTR) return new SystemError("sendmsg with descriptors", errno);
  }
}

/**
 * Fills `bytes` from the front with what has arrived over a unix socket, without waiting. EMSGSIZE if more than
 * `fdsMax` descriptors came along: all of them are closed then.
 */
export function receiveDescriptors(
  fd: number,
  bytes: Uint8Array,
  fdsMax: number,
): Passed | typeof WOULD_BLOCK | SystemError {
  const receiver = DescriptorReceiver.open(bytes, fdsMax);
  if (receiver instanceof SystemError) return receiver;
  const length = receiver.receive(fd, 0);
  if (length instanceof SystemError) return length;
  return length === WOULD_BLOCK ? WOULD_BLOCK : { length, fds: receiver.fds };
}

/** Receives into the same bytes again and again. */
export class DescriptorReceiver {
  /** What came along with the last bytes; whoever received them owns it. */
  fds: readonly number[] = NO_FDS;
  readonly #libc: Libc;
  readonly #bytes: Uint8Array;
  readonly #address: number;
  readonly #message: Uint32Array;
  readonly #fdsMax: number;

  private constructor(c: Libc, bytes: Uint8Array, fdsMax: number) {
    this.#libc = c;
    this.#bytes = bytes;
    this.#address = new MemoryAddresses(c).of(bytes);
    this.#message = messageOf(c, bytes, fdsMax);
    this.#fdsMax = fdsMax;
  }

  static open(bytes: Uint8Array, fdsMax: number): DescriptorReceiver | SystemError {
    const c = libcOfLayout("recvmsg");
    return c instanceof SystemError ? c : new DescriptorReceiver(c, bytes, fdsMax);
  }

  /** Fills the bytes from `at` on, as `receiveDescriptors`; there is room. Answers their number; 0 is the end. */
  receive(fd: number, at: number): number | SystemError {
    const message = this.#message;
    this.fds = NO_FDS;
    for (;;) {
      putAddress(message, IOVEC, this.#address + at);
      message[IOVEC + 2] = this.#bytes.length - at;
      // The kernel has written there how much it used.
      message[MSG_CONTROLLEN] = (RIGHTS - CONTROL + this.#fdsMax) * 4;
      const length = this.#libc.recvmsg(fd, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
      if (length >= 0) return this.#takeDescriptors() ?? length;
      const errno = this.#libc.errno();
      if (errno === EAGAIN) return WOULD_BLOCK;
      if (errno !== EINTR) return new SystemError("recvmsg", errno);
    }
  }

  #takeDescriptors(): SystemError | undefined {
    const message = this.#message;
    if (message[MSG_CONTROLLEN] === 0) return undefined;
    const fds: number[] = [];
    if (message[CONTROL + 2] === SOL_SOCKET && message[CONTROL + 3] === SCM_RIGHTS) {
      for (let at = RIGHTS; at < CONTROL + message[CONTROL]! / 4; at++) fds.push(message[at]!);
    }
    const isTooMuch = (message[MSG_FLAGS]! & MSG_CTRUNC) !== 0 || fds.length > this.#fdsMax;
    if (!isTooMuch) {
      this.fds = fds;
      return undefined;
    }
    for (const surplus of fds) this.#libc.close(surplus);
    return new SystemError("recvmsg with descriptors", EMSGSIZE);
  }
}

/** Whole words of 64 bits, as the kernel aligns control messages. */
function messageOf(c: Libc, bytes: Uint8Array, fdCount: number): Uint32Array {
  const message = new Uint32Array(RIGHTS + fdCount + (fdCount % 2));
  const addresses = new MemoryAddresses(c);
  const base = addresses.of(message);
  putAddress(message, MSG_IOV, base + IOVEC * 4);
  message[MSG_IOVLEN] = 1;
  putAddress(message, IOVEC, addresses.of(bytes));
  message[IOVEC + 2] = bytes.length;
  putAddress(message, MSG_CONTROL, base + CONTROL * 4);
  message[MSG_CONTROLLEN] = (RIGHTS - CONTROL + fdCount) * 4;
  return message;
}

function libcOfLayout(call: string): Libc | SystemError {
  const c = libc();
  if (c instanceof SystemError) return c;
  return c.pointerSize === 8 && endianness() === "LE" ? c : new SystemError(`calling ${call}`, ENOSYS);
}

function putAddress(words: Uint32Array, at: number, address: number): void {
  // The store keeps the lower 32 bits.
  words[at] = address;
  words[at + 1] = address / HIGH;
}
