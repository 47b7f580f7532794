import { createRequire } from "node:module";
import { SystemError } from "./system-error.ts";

type Koffi = typeof import("koffi");

/**
 * The C library of this process. Functions return -1 on failure unless it says otherwise; `errno` is valid right after.
 * Where it is called for each batch of traffic it takes addresses: they cost 25 ns less than a buffer, and as a bigint one
 * is not a new object each time, as a number would be.
 */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  /** `address` is a `struct sockaddr` of some family. */
  bind(fd: number, address: Uint32Array, length: number): number;
  socketpair(domain: number, type: number, protocol: number, fds: Int32Array): number;
  connect(fd: number, address: Uint32Array, length: number): number;
  listen(fd: number, backlog: number): number;
  accept4(fd: number, address: Uint32Array, length: Int32Array, flags: number): number;
  getsockname(fd: number, address: Uint32Array, length: Int32Array): number;
  setsockopt(fd: number, level: number, option: number, value: Int32Array, length: number): number;
  getsockopt(fd: number, level: number, option: number, value: Int32Array, length: Int32Array): number;
  flock(fd: number, operation: number): number;
  posix_openpt(flags: number): number;
  grantpt(fd: number): number;
  unlockpt(fd: number): number;
  /** Answers an error number, not -1. */
  ptsname_r(fd: number, name: Uint8Array, length: number): number;
  tcgetattr(fd: number, termios: Uint8Array): number;
  cfmakeraw(termios: Uint8Array): void;
  tcsetattr(fd: number, when: number, termios: Uint8Array): number;
  fcntl(fd: number, command: number, argument: number): number;
  open(path: number, flags: number): number;
  close(fd: number): number;
  /** `argument` is an address, or the value itself. */
  ioctl(fd: number, request: number, argument: number): number;
  /** An address; `MAP_FAILED` and other addresses beyond 2^53 come as bigint. */
  mmap(
    address: number,
    length: number,
    protection: number,
    flags: number,
    fd: number,
    offset: number,
  ): number | bigint;
  munmap(address: number, length: number): number;
  /** `name` ends with a zero. */
  /**
   * syscall(2) of preadv2(2), with its number. `vector` is the address of an array of `struct iovec`; the high half of the place counts on
   * machines of 32 bits alone.
   */
  preadv2(
    call: number,
    fd: number,
    vector: bigint,
    count: number,
    place: number,
    placeHigh: number,
    flags: number,
  ): number;
  memfd_create(name: Uint8Array, flags: number): number;
  ftruncate(fd: number, length: number): number;
  lseek(fd: number, offset: number, whence: number): number;
  /** The system call of that number, which glibc has no function for; `timeout` is a `struct timespec`. */
  futex(
    number: number,
    word: number,
    operation: number,
    value: number,
    timeout: Uint32Array | null,
    word2: number,
    value3: number,
  ): number;
  sched_yield(): number;
  /** `set` is a `cpu_set_t`; thread 0 is the caller. */
  sched_setaffinity(thread: number, length: number, set: Uint32Array): number;
  sched_getaffinity(thread: number, length: number, set: Uint32Array): number;
  /** `bytes`, or their address. */
  recv(fd: number, bytes: Uint8Array | bigint, length: number, flags: number): number;
  send(fd: number, address: bigint, length: number, flags: number): number;
  /** The sender's address comes into `address`, its size into `addressLength`, which holds the room for it before. */
  recvfrom(
    fd: number,
    bytes: Uint8Array,
    length: number,
    flags: number,
    address: Uint32Array,
    addressLength: Uint32Array,
  ): number;
  /** `message` is a `struct msghdr`, or its address. */
  sendmsg(fd: number, message: Uint32Array | bigint, flags: number): number;
  /** The kernel writes into `message`, too. */
  recvmsg(fd: number, message: Uint32Array, flags: number): number;
  shutdown(fd: number, how: number): number;
  eventfd(initial: number, flags: number): number;
  eventfd_read(fd: number, value: Uint32Array): number;
  eventfd_write(fd: number, value: number): number;
  /** `fds` is the address of an array of `struct pollfd`. */
  poll(fds: bigint, count: number, timeoutMs: number): number;
  /** `time` is the address of a `struct timespec`. */
  clock_gettime(clock: number, time: bigint): number;
  errno(): number;
  /** Where the bytes of a buffer are in memory. It does not keep them there. */
  address(buffer: ArrayBufferLike): bigint;
  /** The bytes at an address. It does not keep them there. */
  view(address: number, length: number): ArrayBuffer;
  /** Bytes of a pointer. */
  readonly pointerSize: number;
  /** Aborts the process if the event loop cannot poll `fd`. The caller must keep the handle. */
  pollInEventLoop(fd: number, interest: PollInterest, callback: PollCallback): PollHandle;
}

interface PollInterest {
  readonly readable?: boolean;
  readonly writable?: boolean;
}

// koffi's own declaration lacks `status`, 0 or a negative error number.
type PollCallback = (
  status: number,
  events: { readonly readable: boolean; readonly writable: boolean },
) => void;

/** Watches one descriptor in the event loop of this thread. */
export interface PollHandle {
  start(interest: PollInterest, callback: PollCallback): void;
  stop(): void;
  close(): void;
}

const ENOSYS = 38;

let loaded: Libc | SystemError | undefined;

/**
 * Loads on first use, so that importing this room works on every platform. Without Linux or without the
 * FFI library the answer is ENOSYS, each time.
 */
export function libc(): Libc | SystemError {
  loaded ??= load();
  return loaded;
}

function load(): Libc | SystemError {
  if (process.platform !== "linux") return new SystemError("loading the C library", ENOSYS);
  let koffi: Koffi;
  try {
    koffi = createRequire(import.meta.url)("koffi") as Koffi;
  } catch (cause) {
    const error = new SystemError("loading koffi", ENOSYS);
    error.cause = cause;
    return error;
  }
  // The running program itself: whatever C library node is linked to, glibc or musl.
  const program = koffi.load(null);
  return {
    socket: program.func("int socket(int, int, int)") as Libc["socket"],
    bind: program.func("int bind(int, void *, unsigned int)") as Libc["bind"],
    socketpair: program.func("int socketpair(int, int, int, _Out_ int *)") as Libc["socketpair"],
    connect: program.func("int connect(int, _In_ uint32_t *, unsigned int)") as Libc["connect"],
    listen: program.func("int listen(int, int)") as Libc["listen"],
    accept4: program.func(
      "int accept4(int, _Inout_ uint32_t *, _Inout_ unsigned int *, int)",
    ) as Libc["accept4"],
    getsockname: program.func(
      "int getsockname(int, _Inout_ uint32_t *, _Inout_ unsigned int *)",
    ) as Libc["getsockname"],
    setsockopt: program.func("int setsockopt(int, int, int, _In_ int *, unsigned int)") as Libc["setsockopt"],
    getsockopt: program.func(
      "int getsockopt(int, int, int, _Out_ int *, _Inout_ unsigned int *)",
    ) as Libc["getsockopt"],
    flock: program.func("int flock(int, int)") as Libc["flock"],
    posix_openpt: program.func("int posix_openpt(int)") as Libc["posix_openpt"],
    grantpt: program.func("int grantpt(int)") as Libc["grantpt"],
    unlockpt: program.func("int unlockpt(int)") as Libc["unlockpt"],
    ptsname_r: program.func("int ptsname_r(int, _Out_ uint8_t *, size_t)") as Libc["ptsname_r"],
    tcgetattr: program.func("int tcgetattr(int, _Out_ uint8_t *)") as Libc["tcgetattr"],
    cfmakeraw: program.func("void cfmakeraw(_Inout_ uint8_t *)") as Libc["cfmakeraw"],
    tcsetattr: program.func("int tcsetattr(int, int, _In_ uint8_t *)") as Libc["tcsetattr"],
    fcntl: program.func("int fcntl(int, int, int)") as Libc["fcntl"],
    open: program.func("int open(uintptr_t, int)") as Libc["open"],
    close: program.func("int close(int)") as Libc["close"],
    ioctl: program.func("int ioctl(int, unsigned long, uintptr_t)") as Libc["ioctl"],
    mmap: program.func("uintptr_t mmap(uintptr_t, size_t, int, int, int, intptr_t)") as Libc["mmap"],
    munmap: program.func("int munmap(uintptr_t, size_t)") as Libc["munmap"],
    preadv2: program.func(
      "long syscall(long, int, void *, unsigned long, unsigned long, unsigned long, int)",
    ) as unknown as Libc["preadv2"],
    memfd_create: program.func("int memfd_create(_In_ uint8_t *, unsigned int)") as Libc["memfd_create"],
    ftruncate: program.func("int ftruncate(int, intptr_t)") as Libc["ftruncate"],
    lseek: program.func("intptr_t lseek(int, intptr_t, int)") as Libc["lseek"],
    futex: program.func(
      "long syscall(long, uintptr_t, int, int, void *, uintptr_t, int)",
    ) as unknown as Libc["futex"],
    sched_yield: program.func("int sched_yield()") as Libc["sched_yield"],
    sched_setaffinity: program.func(
      "int sched_setaffinity(int, size_t, void *)",
    ) as Libc["sched_setaffinity"],
    sched_getaffinity: program.func(
      "int sched_getaffinity(int, size_t, void *)",
    ) as Libc["sched_getaffinity"],
    recv: program.func("intptr_t recv(int, void *, size_t, int)") as Libc["recv"],
    recvfrom: program.func("intptr_t recvfrom(int, void *, size_t, int, void *, void *)") as Libc["recvfrom"],
    send: program.func("intptr_t send(int, void *, size_t, int)") as Libc["send"],
    sendmsg: program.func("intptr_t sendmsg(int, void *, int)") as Libc["sendmsg"],
    recvmsg: program.func("intptr_t recvmsg(int, void *, int)") as Libc["recvmsg"],
    shutdown: program.func("int shutdown(int, int)") as Libc["shutdown"],
    eventfd: program.func("int eventfd(unsigned int, int)") as Libc["eventfd"],
    eventfd_read: program.func("int eventfd_read(int, void *)") as Libc["eventfd_read"],
    eventfd_write: program.func("int eventfd_write(int, uint64_t)") as Libc["eventfd_write"],
    poll: program.func("int poll(void *, unsigned long, int)") as Libc["poll"],
    clock_gettime: program.func("int clock_gettime(int, void *)") as Libc["clock_gettime"],
    errno: () => koffi.errno(),
    address: (buffer) => koffi.address(buffer),
    view: (address, length) => koffi.view(BigInt(address), length),
    pointerSize: koffi.sizeof("void *"),
    pollInEventLoop: koffi.node.poll as unknown as Libc["pollInEventLoop"],
  };
}
