import type { Endpoint, TcpAddress, UnixAddress } from "./address.ts";
import { LINK_LIMITS, type LinkLimits } from "./link.ts";
import type { Accept, Listener } from "./listener.ts";
import { listenTcp } from "./tcp.ts";
import { listenUnix } from "./unix.ts";

/** The kinds of address that carry links. */
export type LinkAddress = TcpAddress | UnixAddress;

export function isLinkAddress(address: Endpoint): address is LinkAddress {
  return address.kind === "tcp" || address.kind === "unix";
}

/** Listens until closed; rejects with a LinkError. */
export function listen(
  address: LinkAddress,
  accept: Accept,
  limits: LinkLimits = LINK_LIMITS,
): Promise<Listener> {
  switch (address.kind) {
    case "tcp":
      return listenTcp(address, accept, limits);
    case "unix":
      return listenUnix(address, accept, limits);
  }
}
