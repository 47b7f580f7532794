import { closeSync, constants, openSync } from "node:fs";
import { type Libc, libc } from "./libc.ts";
import { SystemError } from "./system-error.ts";

/** A pseudo terminal. */
export interface Pty {
  /** Our end: does not block, closed on exec. The caller owns it. */
  readonly fd: number;
  /** The end for programs: /dev/pts/N. */
  readonly path: string;
  /**
   * That end, held open so that ours does not hang up while no program has it (linux: pty(7)). The caller
   * owns it.
   */
  readonly programFd: number;
}

/** Not among Node's constants. */
const O_CLOEXEC = 0o2000000;
const PATH_MAX = 128;
/** More than struct termios has on any architecture (glibc: 60 bytes). */
const TERMIOS_MAX = 256;
const TCSANOW = 0;

/** Makes a pseudo terminal that passes every byte as it is. */
export function openPty(): Pty | SystemError {
  const c = libc();
  if (c instanceof SystemError) return c;
  const fd = c.posix_openpt(constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return new SystemError("posix_openpt", c.errno());
  const pty = name(c, fd);
  if (pty instanceof SystemError) closeSync(fd);
  return pty;
}

function name(c: Libc, fd: number): Pty | SystemError {
  if (c.grantpt(fd) < 0) return new SystemError("grantpt", c.errno());
  if (c.unlockpt(fd) < 0) return new SystemError("unlockpt", c.errno());
  const bytes = Buffer.alloc(PATH_MAX);
  const refused = c.ptsname_r(fd, bytes, bytes.length);
  if (refused !== 0) return new SystemError("ptsname_r", refused);
  const termios = new Uint8Array(TERMIOS_MAX);
  if (c.tcgetattr(fd, termios) < 0) return new SystemError("tcgetattr", c.errno());
  c.cfmakeraw(termios);
  if (c.tcsetattr(fd, TCSANOW, termios) < 0) return new SystemError("tcsetattr", c.errno());
  const path = bytes.toString("utf8", 0, bytes.indexOf(0));
  try {
    return { fd, path, programFd: openSync(path, constants.O_RDWR | constants.O_NOCTTY) };
  } catch (error) {
    return new SystemError(`opening ${path}`, -((error as NodeJS.ErrnoException).errno ?? 0));
  }
}
