import koffi from "koffi";

const libc = koffi.load("libc.so.6");
const ioctlFunction = libc.func("int ioctl(int fd, unsigned long request, uintptr_t argument)");
const mmap = libc.func(
  "uintptr_t mmap(uintptr_t address, size_t length, int prot, int flags, int fd, long offset)",
);
const munmap = libc.func("int munmap(uintptr_t address, size_t length)");
const socketpairFunction = libc.func("int socketpair(int domain, int type, int protocol, _Out_ int *pair)");

const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const AF_UNIX = 1;
const SOCK_STREAM = 1;

/** Memory that stays where it is, for structures that the kernel keeps pointers to. */
export class Memory {
  readonly address: bigint;
  readonly bytes: Buffer;

  constructor(length: number) {
    this.address = BigInt(mmap(0, length, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0) as number | bigint);
    this.bytes = Buffer.from(koffi.view(this.address, length));
  }

  /** Its bytes must not be touched afterwards. */
  free(): void {
    munmap(this.address, this.bytes.length);
  }
}

/** ioctl(2). Answers the call's result, or the errno as a negative number. */
export function ioctl(fd: number, request: number, argument: Memory | number): number {
  const result = ioctlFunction(
    fd,
    request,
    argument instanceof Memory ? argument.address : argument,
  ) as number;
  return result < 0 ? -koffi.errno() : result;
}

/** The same in a thread of node's pool, for calls that wait. */
export function ioctlInThread(fd: number, request: number, argument: Memory): Promise<number> {
  return new Promise((resolve, reject) =>
    ioctlFunction.async(fd, request, argument.address, (error: Error | null, result: number) => {
      if (error) reject(error);
      else resolve(result < 0 ? -koffi.errno() : result);
    }),
  );
}

/** Two connected stream sockets, as descriptors. */
export function socketpair(): [number, number] {
  const pair: [number, number] = [0, 0];
  if (socketpairFunction(AF_UNIX, SOCK_STREAM, 0, pair) !== 0)
    throw new Error(`socketpair: errno ${koffi.errno()}`);
  return pair;
}

/** Calls back whenever the descriptor can be written to, until the returned function is called. */
export function watchWritable(fd: number, ready: () => void): () => void {
  // koffi holds the handle weakly: the closure below keeps it.
  const handle = koffi.node.poll(fd, { writable: true }, ready);
  return () => {
    handle.stop();
    handle.close();
  };
}
