import { libc } from "./libc.ts";
import { SystemError } from "./system-error.ts";

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;

/** Two connected AF_UNIX stream sockets, closed on exec. The caller owns both descriptors. */
export function socketPair(): readonly [number, number] | SystemError {
  const c = libc();
  if (c instanceof SystemError) return c;
  const fds = new Int32Array(2);
  if (c.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
    return new SystemError("socketpair", c.errno());
  }
  return [fds[0]!, fds[1]!];
}
