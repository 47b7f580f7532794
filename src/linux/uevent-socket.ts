import { constants } from "node:os";
import { type Libc, libc } from "./libc.ts";
import { SystemError } from "./system-error.ts";
import { parseUevent, UEVENT_BYTES, type Uevent } from "./uevent.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_KOBJECT_UEVENT = 15;
/** What the kernel itself says; 2 is what udev makes of it. */
const KERNEL_GROUP = 1;
/** The length of a datagram that was longer than the buffer (recv(2)). */
const MSG_TRUNC = 0x20;
/** struct sockaddr_nl in 32-bit words: nl_family, nl_pid, nl_groups. */
const ADDRESS_WORDS = 3;
const { EAGAIN, EINTR, ENOBUFS } = constants.errno;

/** There is nothing more to hear at this moment. */
export const SILENCE = "silence";
/** Events came faster than they were read, and some are lost: whoever follows them looks anew. */
export const EVENTS_LOST = "events lost";

/** Hears what the kernel tells of its devices (netlink(7)), with no help of udev. */
export class UeventSocket {
  /** Readable when there is something to hear. */
  readonly fd: number;
  readonly #libc: Libc;
  readonly #bytes = new Uint8Array(UEVENT_BYTES);
  readonly #sender = new Uint32Array(ADDRESS_WORDS);
  readonly #senderLength = new Uint32Array(1);

  private constructor(c: Libc, fd: number) {
    this.#libc = c;
    this.fd = fd;
  }

  /** Everything that happens from now on will be heard. */
  static open(): UeventSocket | SystemError {
    const c = libc();
    if (c instanceof SystemError) return c;
    const fd = c.socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
    if (fd < 0) return new SystemError("socket NETLINK_KOBJECT_UEVENT", c.errno());
    const address = Uint32Array.of(AF_NETLINK, 0, KERNEL_GROUP);
    if (c.bind(fd, address, address.byteLength) < 0) {
      const refused = new SystemError("bind NETLINK_KOBJECT_UEVENT", c.errno());
      c.close(fd);
      return refused;
    }
    return new UeventSocket(c, fd);
  }

  /** The next event of the kernel. What other processes send here is passed over. */
  hear(): Uevent | typeof SILENCE | typeof EVENTS_LOST | SystemError {
    for (;;) {
      this.#senderLength[0] = this.#sender.byteLength;
      const length = this.#libc.recvfrom(
        this.fd,
        this.#bytes,
        this.#bytes.length,
        MSG_TRUNC,
        this.#sender,
        this.#senderLength,
      );
      if (length < 0) {
        const errno = this.#libc.errno();
        if (errno === EAGAIN) return SILENCE;
        if (errno === ENOBUFS) return EVENTS_LOST;
        if (errno !== EINTR) return new SystemError("recvfrom NETLINK_KOBJECT_UEVENT", errno);
        continue;
      }
      // nl_pid 0 is the kernel, and nobody else can have it.
      if (this.#sender[1] !== 0) continue;
      if (length > this.#bytes.length) return EVENTS_LOST;
      const event = parseUevent(this.#bytes.subarray(0, length));
      if (event !== undefined) return event;
    }
  }

  close(): void {
    this.#libc.close(this.fd);
  }
}
