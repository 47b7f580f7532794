import { type Libc, libc } from "./libc.ts";
import { SystemError } from "./system-error.ts";

/** struct sockaddr_vm (linux: include/uapi/linux/vm_sockets.h), as far as it is about who and where. */
export interface VsockName {
  readonly cid: number;
  readonly port: number;
}

/** The context ids that are not a virtual machine's. */
export const VMADDR_CID_LOCAL = 1;
export const VMADDR_CID_HOST = 2;
export const VMADDR_CID_ANY = 0xffffffff;
/** Bound to, the system chooses a port. */
export const VMADDR_PORT_ANY = 0xffffffff;

const AF_VSOCK = 40;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SO_VM_SOCKETS_CONNECT_TIMEOUT = 6;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const BACKLOG = 511;
const EINTR = 4;
const EAGAIN = 11;
const ECONNABORTED = 103;
const EINPROGRESS = 115;

/** svm_family and svm_reserved1, svm_port, svm_cid, svm_flags. */
const WORDS = 4;
const BYTES = WORDS * 4;

/** A connection that has arrived. The caller owns its descriptor, which does not block. */
export interface ArrivedVsock {
  readonly fd: number;
  readonly peer: VsockName;
}

/** Listens there. The descriptor is the caller's and does not block. */
export function listenVsock(name: VsockName): number | SystemError {
  const opened = open();
  if (opened instanceof SystemError) return opened;
  const { c, fd } = opened;
  if (c.bind(fd, encode(name), BYTES) < 0) return abandoned(c, fd, "bind");
  return c.listen(fd, BACKLOG) < 0 ? abandoned(c, fd, "listen") : fd;
}

/** Where a socket is bound. */
export function vsockName(fd: number): VsockName | SystemError {
  const c = libc();
  if (c instanceof SystemError) return c;
  const address = new Uint32Array(WORDS);
  return c.getsockname(fd, address, Int32Array.of(BYTES)) < 0
    ? new SystemError("getsockname", c.errno())
    : decode(address);
}

/** The next connection; nothing if there is none at this moment. */
export function acceptVsock(listening: number): ArrivedVsock | SystemError | undefined {
  const c = libc();
  if (c instanceof SystemError) return c;
  for (;;) {
    const address = new Uint32Array(WORDS);
    const fd = c.accept4(listening, address, Int32Array.of(BYTES), SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) return { fd, peer: decode(address) };
    const errno = c.errno();
    if (errno === EAGAIN) return undefined;
    if (errno !== EINTR && errno !== ECONNABORTED) return new SystemError("accept4", errno);
  }
}

/** Begins to connect: the descriptor can be written when that is over. It is the caller's and does not block. */
export function connectVsock(name: VsockName, timeoutMs: number): number | SystemError {
  const opened = open();
  if (opened instanceof SystemError) return opened;
  const { c, fd } = opened;
  // struct timeval, of 64-bit words. Without it the kernel gives up after 2 s.
  const timeout = Int32Array.of(Math.floor(timeoutMs / 1_000), 0, (timeoutMs % 1_000) * 1_000, 0);
  c.setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, timeout, timeout.byteLength);
  if (c.connect(fd, encode(name), BYTES) < 0 && c.errno() !== EINPROGRESS) return abandoned(c, fd, "connect");
  return fd;
}

/** What has become of connecting. */
export function connectError(fd: number): SystemError | undefined {
  const c = libc();
  if (c instanceof SystemError) return c;
  const errno = new Int32Array(1);
  if (c.getsockopt(fd, SOL_SOCKET, SO_ERROR, errno, Int32Array.of(4)) < 0) {
    return new SystemError("getsockopt SO_ERROR", c.errno());
  }
  return errno[0] === 0 ? undefined : new SystemError("connect", errno[0]!);
}

function open(): { readonly c: Libc; readonly fd: number } | SystemError {
  const c = libc();
  if (c instanceof SystemError) return c;
  const fd = c.socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  return fd < 0 ? new SystemError("socket AF_VSOCK", c.errno()) : { c, fd };
}

function abandoned(c: Libc, fd: number, call: string): SystemError {
  const error = new SystemError(call, c.errno());
  c.close(fd);
  return error;
}

function encode({ cid, port }: VsockName): Uint32Array {
  const address = new Uint32Array(WORDS);
  // The first half of the word, in whatever order the machine has.
  new Uint16Array(address.buffer)[0] = AF_VSOCK;
  address[1] = port;
  address[2] = cid;
  return address;
}

function decode(address: Uint32Array): VsockName {
  return { cid: address[2]!, port: address[1]! };
}
