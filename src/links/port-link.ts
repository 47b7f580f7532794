import { constants, openSync } from "node:fs";
import type { Link } from "./link.ts";
import { type LinkError, linkError } from "./link-error.ts";
import { MovableLink } from "./movable-link.ts";
import { adopt } from "./stream-handle.ts";

/**
 * A link over a character device, such as the port of a virtio-serial device (/dev/vport1p1): a way between a virtual
 * machine and its host without a network. It ends while nobody has the other side open.
 */
export function openPort(path: string): Link | LinkError {
  try {
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    return new MovableLink(`port:${path}`, (onread) => adopt(fd, onread));
  } catch (error) {
    return linkError("dial", `port:${path}`, error as NodeJS.ErrnoException);
  }
}
