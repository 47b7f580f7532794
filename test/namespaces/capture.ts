/**
 * Prints what passes an interface of this network namespace, frame by frame in hexadecimal, until it is ended:
 * `node capture.js INTERFACE`. Its first line is `capturing`.
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { libc } from "../../src/linux/libc.ts";
import { SystemError } from "../../src/linux/system-error.ts";

const AF_PACKET = 17;
const SOCK_RAW = 3;
/** ETH_P_ALL, big endian (packet(7)). */
const EVERYTHING = 0x0300;
const MSG_DONTWAIT = 0x40;

const c = libc();
if (c instanceof SystemError) throw c;
const fd = c.socket(AF_PACKET, SOCK_RAW, EVERYTHING);
if (fd < 0) throw new SystemError("socket AF_PACKET", c.errno());
// struct sockaddr_ll: family and protocol, the number of the interface, and nothing else.
const index = Number(readFileSync(`/sys/class/net/${process.argv[2]}/ifindex`, "utf8"));
if (c.bind(fd, Uint32Array.of((EVERYTHING << 16) | AF_PACKET, index, 0, 0, 0), 20) < 0) {
  throw new SystemError("bind", c.errno());
}
console.log("capturing");
const frame = Buffer.alloc(1 << 16);
for (;;) {
  const length = c.recv(fd, frame, frame.length, MSG_DONTWAIT);
  if (length < 0) await sleep(2);
  else console.log(frame.toString("hex", 0, length));
}
