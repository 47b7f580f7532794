import { libc } from "./libc.ts";
import { SystemError } from "./system-error.ts";

/** When a TCP peer that has gone silent counts as dead (tcp(7)). */
export interface KeepAlive {
  /** Silence before the first probe. */
  readonly idleSeconds: number;
  readonly intervalSeconds: number;
  /** Unanswered probes that end the connection. */
  readonly probes: number;
  /** How long sent data may stay unacknowledged; it also bounds the probes. */
  readonly userTimeoutMs: number;
}

const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const IPPROTO_TCP = 6;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
const TCP_USER_TIMEOUT = 18;

/** Sets all four and turns keep-alive on. On failure some of them may be set. */
export function setKeepAlive(fd: number, keepAlive: KeepAlive): SystemError | undefined {
  const c = libc();
  if (c instanceof SystemError) return c;
  const options: readonly (readonly [string, number, number, number])[] = [
    ["TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, keepAlive.idleSeconds],
    ["TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL, keepAlive.intervalSeconds],
    ["TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT, keepAlive.probes],
    ["TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, keepAlive.userTimeoutMs],
    ["SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1],
  ];
  for (const [name, level, option, value] of options) {
    if (c.setsockopt(fd, level, option, Int32Array.of(value), 4) < 0) {
      return new SystemError(`setsockopt ${name}`, c.errno());
    }
  }
  return undefined;
}
