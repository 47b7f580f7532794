import assert from "node:assert/strict";
import type {
  Endpoint,
  FirecrackerVsockAddress,
  RingAddress,
  TcpAddress,
  TlsAddress,
  UnixAddress,
  VsockAddress,
} from "./address.ts";
import { listenFirecrackerVsock } from "./firecracker-vsock.ts";
import type { HandedSockets } from "./handed-sockets.ts";
import { LINK_LIMITS, type LinkLimits } from "./link.ts";
import type { Accept, Listener } from "./listener.ts";
import { listenRing } from "./ring-listener.ts";
import { listenTcp } from "./tcp.ts";
import { listenTls } from "./tls.ts";
import type { TlsTrust, TurnedAway } from "./trust.ts";
import { listenUnix } from "./unix.ts";
import { listenVsock } from "./vsock.ts";

/** The kinds of address that carry links. */
export type LinkAddress =
  | TcpAddress
  | TlsAddress
  | UnixAddress
  | VsockAddress
  | FirecrackerVsockAddress
  | RingAddress;

const CARRIED: ReadonlySet<Endpoint["kind"]> = new Set(["tcp", "tls", "unix", "vsock", "fc-vsock", "ring"]);

export function isLinkAddress(address: Endpoint): address is LinkAddress {
  return CARRIED.has(address.kind);
}

/** What a link needs beside its address. */
export interface LinkOptions {
  readonly limits?: LinkLimits;
  /** Needed for tls: */
  readonly trust?: TlsTrust;
}

export interface ListenOptions extends LinkOptions {
  readonly turnedAway?: TurnedAway;
  /** A socket of these that is bound there is listened at in place of a new one. */
  readonly handed?: HandedSockets | undefined;
}

/** Listens until closed; rejects with a LinkError. */
export function listen(address: LinkAddress, accept: Accept, options: ListenOptions = {}): Promise<Listener> {
  const { limits = LINK_LIMITS, trust, turnedAway = () => {}, handed } = options;
  const fd = handed?.claim(address);
  switch (address.kind) {
    case "tcp":
      return listenTcp(address, accept, limits, fd);
    case "tls":
      assert(trust !== undefined, "a listener for tls: needs to know whom to trust");
      return listenTls(address, accept, limits, trust, turnedAway, fd);
    case "unix":
      return listenUnix(address, accept, limits, { fd });
    case "vsock":
      return listenVsock(address, accept, fd);
    case "fc-vsock":
      return listenFirecrackerVsock(address, accept, limits);
    case "ring":
      return listenRing(address, accept, limits, fd);
  }
}
