import { constants, openSync, readdirSync, readFileSync } from "node:fs";
import type { Link } from "./link.ts";
import { LinkError, linkError } from "./link-error.ts";
import { MovableLink } from "./movable-link.ts";
import { adopt } from "./stream-handle.ts";

/**
 * A link over a character device, such as the port of a virtio-serial device (/dev/vport1p1): a way between a virtual
 * machine and its host without a network. It ends while nobody has the other side open.
 */
export function openPort(path: string, peer = `port:${path}`): Link | LinkError {
  try {
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    return new MovableLink(peer, (onread) => adopt(fd, onread));
  } catch (error) {
    return linkError("dial", peer, error as NodeJS.ErrnoException);
  }
}

/** The device file of the virtio-serial port with this name. `subject` is who needs it. */
export function findPort(name: string, subject: string, sysfs = "/sys"): string | LinkError {
  const ports = portsByName(`${sysfs}/class/virtio-ports`);
  const port = ports.get(name);
  if (port !== undefined) return `/dev/${port}`;
  const others = Array.from(ports.keys()).map((other) => `"${other}"`);
  const found = others.length === 0 ? "This machine has none with a name" : `There is ${others.join(", ")}`;
  return new LinkError(
    "NO_PORT",
    `cannot reach ${subject}: no virtio-serial port is called "${name}", by which host and guest wake each other (NO_PORT). ` +
      `${found}. Name it with ,port=NAME, or start the virtual machine with \`-device virtio-serial-pci -chardev ` +
      `socket,id=ring,path=SOCKET,server=on,wait=off -device virtserialport,chardev=ring,name=${name}\`.`,
  );
}

function portsByName(folder: string): ReadonlyMap<string, string> {
  const ports = new Map<string, string>();
  try {
    for (const port of readdirSync(folder)) {
      const name = readFileSync(`${folder}/${port}/name`, "utf8").trim();
      if (name !== "") ports.set(name, port);
    }
  } catch {
    // Without the driver, or without a port with a name.
  }
  return ports;
}
