import { constants } from "node:os";
import { type Libc, libc } from "./libc.ts";
import { SystemError } from "./system-error.ts";

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
const F_SEAL_SEAL = 1;
const F_SEAL_SHRINK = 2;
const F_SEAL_GROW = 4;
const SIZE_SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW;
const SEEK_END = 2;
const { EPERM } = constants.errno;

/**
 * Makes zeroed memory without a name that other processes can map (memfd_create(2)), and seals its size: who maps it cannot
 * be ended by SIGBUS because another one cut it. `label` is what /proc shows. The caller owns the descriptor, closed on exec.
 */
export function createMemoryFile(label: string, length: number): number | SystemError {
  const c = libc();
  if (c instanceof SystemError) return c;
  const fd = c.memfd_create(Buffer.from(`${label}\0`), MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return new SystemError("memfd_create", c.errno());
  if (c.ftruncate(fd, length) < 0) return abandoned(c, fd, "ftruncate of shared memory");
  if (c.fcntl(fd, F_ADD_SEALS, SIZE_SEALS) < 0) return abandoned(c, fd, "fcntl F_ADD_SEALS");
  return fd;
}

/**
 * Bytes of a memory file that somebody else made. EPERM if its size is not sealed, EINVAL if it is another kind of file,
 * whose pages may come from wherever its owner likes.
 */
export function sealedLength(fd: number): number | SystemError {
  const c = libc();
  if (c instanceof SystemError) return c;
  const seals = c.fcntl(fd, F_GET_SEALS, 0);
  if (seals < 0) return new SystemError("fcntl F_GET_SEALS", c.errno());
  if ((seals & SIZE_SEALS) !== SIZE_SEALS) return new SystemError("mapping memory that can be cut", EPERM);
  const length = c.lseek(fd, 0, SEEK_END);
  return length < 0 ? new SystemError("lseek of shared memory", c.errno()) : length;
}

function abandoned(c: Libc, fd: number, call: string): SystemError {
  const error = new SystemError(call, c.errno());
  c.close(fd);
  return error;
}
