import { printAddress, type RingAddress } from "./address.ts";
import type { LinkLimits } from "./link.ts";
import type { Accept, Listener } from "./listener.ts";
import { listenUnix } from "./unix.ts";

/** A unix socket, whose links can hand over memory. What else is spoken there is spoken as on any other link. */
export async function listenRing(
  address: RingAddress,
  accept: Accept,
  limits: LinkLimits,
  fd?: number,
): Promise<Listener> {
  const place = { kind: "unix", path: address.path } as const;
  const listener = await listenUnix(place, accept, limits, { peer: printAddress(address), fd });
  return { address, close: () => listener.close() };
}
