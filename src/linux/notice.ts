import { closeSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { libc } from "./libc.ts";
import { SystemError } from "./system-error.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
/** struct sockaddr_un (unix(7)): the family in two bytes, then a name. */
const NAME_AT = 2;
const NAME_BYTES = 108;
const { EINVAL, ECONNREFUSED } = constants.errno;

/**
 * Sends one datagram to a unix socket, as a service does to tell its supervisor how it is (sd_notify(3)). A name that
 * begins with `@` is an abstract one.
 */
export function sendNotice(socket: string, text: string): SystemError | undefined {
  const c = libc();
  if (c instanceof SystemError) return c;
  const name = Buffer.from(socket);
  const isAbstract = socket.startsWith("@");
  if (!(isAbstract || socket.startsWith("/")) || name.length >= NAME_BYTES) {
    return new SystemError(`connect ${socket}`, EINVAL);
  }
  const address = new Uint8Array(NAME_AT + NAME_BYTES + 2);
  new Uint16Array(address.buffer)[0] = AF_UNIX;
  address.set(name, NAME_AT);
  if (isAbstract) address[NAME_AT] = 0;
  const fd = c.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return new SystemError("socket AF_UNIX", c.errno());
  try {
    // The name of an abstract socket has no zero behind it.
    const length = NAME_AT + name.length + (isAbstract ? 0 : 1);
    if (c.connect(fd, new Uint32Array(address.buffer), length) < 0) {
      return new SystemError(`connect ${socket}`, c.errno());
    }
    writeSync(fd, text);
    return undefined;
  } catch (error) {
    // The supervisor has gone in this moment.
    const { errno = -ECONNREFUSED } = error as NodeJS.ErrnoException;
    return new SystemError(`write to ${socket}`, -errno);
  } finally {
    closeSync(fd);
  }
}
