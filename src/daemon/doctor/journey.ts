import type { Address } from "../../links/address.ts";
import type { Link, LinkLimits } from "../../links/link.ts";
import type { RemotePlace } from "../place.ts";
import type { NetworkPath } from "./network-path.ts";

/** What the hops on the way to a host have found out; each fills in what the next one needs. */
export interface Journey {
  /** As it was typed. */
  readonly text: string;
  address?: Address;
  /** Numeric addresses of the host, where it is one of the network. */
  hosts: readonly string[];
  /** Where to dial: one place, or one for each address of a name. */
  places: readonly RemotePlace[];
  path?: NetworkPath;
  /** The place that answered, and the connection. */
  reached?: RemotePlace;
  link?: Link;
  /** Another connection to it. */
  again?: (limits: LinkLimits) => Promise<Link>;
}
