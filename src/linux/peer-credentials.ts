import { libc } from "./libc.ts";
import { SystemError } from "./system-error.ts";

/** The process that connected a unix socket, as it was then. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

/** struct ucred (unix(7)): pid, uid, gid. */
const UCRED_WORDS = 3;

/** Who is at the other end of a connected unix socket. */
export function peerCredentials(fd: number): PeerCredentials | SystemError {
  const c = libc();
  if (c instanceof SystemError) return c;
  const ucred = new Int32Array(UCRED_WORDS);
  const length = Int32Array.of(ucred.byteLength);
  if (c.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ucred, length) < 0) {
    return new SystemError("getsockopt SO_PEERCRED", c.errno());
  }
  const [pid, uid, gid] = ucred;
  return { pid: pid!, uid: uid! >>> 0, gid: gid! >>> 0 };
}
