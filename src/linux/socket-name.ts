import { endianness } from "node:os";
import { libc } from "./libc.ts";
import { SystemError } from "./system-error.ts";

/** Where a socket is bound, as far as this project has links for it. */
export type SocketName =
  | { readonly family: "ip"; readonly host: string; readonly port: number }
  | { readonly family: "unix"; readonly path: string }
  | { readonly family: "vsock"; readonly cid: number; readonly port: number };

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_VSOCK = 40;
const SOL_SOCKET = 1;
const SO_ACCEPTCONN = 30;
const F_SETFD = 2;
const FD_CLOEXEC = 1;
/** struct sockaddr_storage */
const BYTES = 128;

/** Nothing for a family that has no links here, and for a unix socket without a path. */
export function socketName(fd: number): SocketName | SystemError | undefined {
  const c = libc();
  if (c instanceof SystemError) return c;
  const words = new Uint32Array(BYTES / 4);
  const length = Int32Array.of(BYTES);
  if (c.getsockname(fd, words, length) < 0) return new SystemError(`getsockname ${fd}`, c.errno());
  const bytes = Buffer.from(words.buffer);
  const family = endianness() === "LE" ? bytes.readUInt16LE(0) : bytes.readUInt16BE(0);
  switch (family) {
    case AF_INET:
      return { family: "ip", host: bytes.subarray(4, 8).join("."), port: bytes.readUInt16BE(2) };
    case AF_INET6:
      return { family: "ip", host: hostOf(bytes.subarray(8, 24)), port: bytes.readUInt16BE(2) };
    case AF_UNIX: {
      const name = bytes.subarray(2, length[0]);
      const end = name.indexOf(0);
      return end === 0 || name.length === 0
        ? undefined
        : { family: "unix", path: name.subarray(0, end < 0 ? undefined : end).toString() };
    }
    case AF_VSOCK:
      return { family: "vsock", cid: words[2]!, port: words[1]! };
    default:
      return undefined;
  }
}

export function isListening(fd: number): boolean {
  const c = libc();
  if (c instanceof SystemError) return false;
  const answer = new Int32Array(1);
  return c.getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, answer, Int32Array.of(4)) === 0 && answer[0] === 1;
}

/** Programs that this one starts do not inherit it. */
export function keepToThisProgram(fd: number): void {
  const c = libc();
  if (!(c instanceof SystemError)) c.fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/** RFC 5952 by way of the URL parser, which writes it so. */
function hostOf(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}
