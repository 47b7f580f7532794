import { isListening, keepToThisProgram, type SocketName, socketName } from "../linux/socket-name.ts";
import { SystemError } from "../linux/system-error.ts";
import { VMADDR_CID_ANY } from "../linux/vsock.ts";
import { type Endpoint, printAddress } from "./address.ts";

/** The first of them (sd_listen_fds(3)). */
const FIRST_FD = 3;
/** More is a mistake of whoever set the variable. */
const MOST = 64;

/** Names of the environment, which are about this process alone and are not for those that it starts. */
const VARIABLES = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] as const;

/**
 * Sockets that listen already when this process starts: a supervisor has opened them, as systemd does for a socket
 * unit. They are known by where they are bound, so a host says where it listens in one way, started by whomever.
 */
export class HandedSockets {
  /** Where they are bound. */
  readonly addresses: readonly string[];
  readonly #fds: Map<string, number>;

  private constructor(fds: Map<string, number>) {
    this.addresses = Array.from(fds.keys());
    this.#fds = fds;
  }

  /** Reads the variables and removes them. What is no listening socket is left alone. */
  static take(environment: NodeJS.ProcessEnv): HandedSockets {
    const { LISTEN_PID, LISTEN_FDS = "" } = environment;
    for (const name of VARIABLES) delete environment[name];
    const count = LISTEN_PID === String(process.pid) && /^\d{1,2}$/.test(LISTEN_FDS) ? Number(LISTEN_FDS) : 0;
    const fds = new Map<string, number>();
    for (let fd = FIRST_FD; fd < FIRST_FD + Math.min(count, MOST); fd++) {
      keepToThisProgram(fd);
      const name = socketName(fd);
      if (name !== undefined && !(name instanceof SystemError) && isListening(fd)) fds.set(textOf(name), fd);
    }
    return new HandedSockets(fds);
  }

  /** Where those are bound that nobody has claimed. */
  get unclaimed(): readonly string[] {
    return Array.from(this.#fds.keys());
  }

  /** The socket that is bound there, which is the caller's then. */
  claim(address: Endpoint): number | undefined {
    const text = placeOf(address);
    const fd = text === undefined ? undefined : this.#fds.get(text);
    if (text !== undefined) this.#fds.delete(text);
    return fd;
  }
}

function textOf(name: SocketName): string {
  switch (name.family) {
    case "ip":
      return printAddress({ kind: "tcp", host: name.host, port: name.port });
    case "unix":
      return printAddress({ kind: "unix", path: name.path });
    case "vsock":
      return printAddress({
        kind: "vsock",
        port: name.port,
        ...(name.cid !== VMADDR_CID_ANY && { cid: name.cid }),
      });
  }
}

/** Where an address is bound: TLS stands on TCP, a ring on a unix socket. */
function placeOf(address: Endpoint): string | undefined {
  switch (address.kind) {
    case "tcp":
    case "tls":
      return printAddress({ kind: "tcp", host: address.host, port: address.port });
    case "unix":
    case "ring":
      return printAddress({ kind: "unix", path: address.path });
    case "vsock":
      return printAddress({ kind: "vsock", port: address.port });
    default:
      return undefined;
  }
}
