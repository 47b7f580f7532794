import { createRequire } from "node:module";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_KOBJECT_UEVENT = 15;

/**
 * Sends a datagram to every netlink socket of uevents that has bound `group` and to the one with the port `to`, as a
 * process of this machine that is not the kernel. Answers what sendto(2) did; it takes the right to administer the network.
 */
export function forgeUevent(bytes: Uint8Array, to: number, group: number): number {
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  const program = koffi.load(null);
  const socket = program.func("int socket(int, int, int)");
  const sendto = program.func("intptr_t sendto(int, void *, size_t, int, void *, unsigned int)");
  const close = program.func("int close(int)");
  const fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT) as number;
  const address = Uint32Array.of(AF_NETLINK, to, group);
  const sent = sendto(fd, bytes, bytes.length, 0, address, address.byteLength) as number;
  close(fd);
  return sent;
}
