import type { Link, LinkLimits } from "./link.ts";
import { LINK_LIMITS } from "./link.ts";
import type { LinkAddress } from "./listen.ts";
import { dialTcp } from "./tcp.ts";
import { dialUnix } from "./unix.ts";

/** Connects; rejects with a LinkError. The link reads nothing before it is started. */
export function dial(address: LinkAddress, limits: LinkLimits = LINK_LIMITS): Promise<Link> {
  switch (address.kind) {
    case "tcp":
      return dialTcp(address, limits);
    case "unix":
      return dialUnix(address, limits);
  }
}
