import { constants } from "node:os";
import { libc } from "./libc.ts";
import { SystemError } from "./system-error.ts";

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_ACCEPTCONN = 30;
const SO_DOMAIN = 39;
/** struct sockaddr_un (unix(7)): the family in two bytes, then a path with its zero. */
const PATH_AT = 2;
const PATH_BYTES = 108;
const { EINVAL, ENAMETOOLONG } = constants.errno;

/**
 * Connects to a unix socket without an event loop in between, which would drop descriptors that arrive. The descriptor is the
 * caller's and does not block. EAGAIN if too many others wait there.
 */
export function connectUnix(path: string): number | SystemError {
  const c = libc();
  if (c instanceof SystemError) return c;
  const text = Buffer.from(path);
  if (text.length >= PATH_BYTES) return new SystemError("connect", ENAMETOOLONG);
  const address = new Uint8Array(PATH_AT + PATH_BYTES + 2);
  new Uint16Array(address.buffer)[0] = AF_UNIX;
  address.set(text, PATH_AT);
  const fd = c.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return new SystemError("socket AF_UNIX", c.errno());
  if (c.connect(fd, new Uint32Array(address.buffer), PATH_AT + text.length + 1) < 0) {
    const refused = new SystemError("connect", c.errno());
    c.close(fd);
    return refused;
  }
  return fd;
}

/** Whether a descriptor is a unix socket that waits for connections, or one that is connected. EINVAL if it is neither. */
export function unixSocketRole(fd: number): "listening" | "connected" | SystemError {
  const c = libc();
  if (c instanceof SystemError) return c;
  const call = `using descriptor ${fd} as a unix socket`;
  const [family, isListening] = [new Int32Array(1), new Int32Array(1)];
  if (c.getsockopt(fd, SOL_SOCKET, SO_DOMAIN, family, Int32Array.of(4)) < 0)
    return new SystemError(call, c.errno());
  if (c.getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, isListening, Int32Array.of(4)) < 0) {
    return new SystemError(call, c.errno());
  }
  if (family[0] !== AF_UNIX) return new SystemError(call, EINVAL);
  return isListening[0] === 0 ? "connected" : "listening";
}
