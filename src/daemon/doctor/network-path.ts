import { createSocket } from "node:dgram";
import { once } from "node:events";
import { networkInterfaces } from "node:os";
import { routeTo } from "./route-table.ts";
import type { SystemRoot } from "./system-root.ts";

/** How packets to an address leave this machine, by the kernel's own decision. */
export interface NetworkPath {
  /** This machine's address on that way. */
  readonly source: string;
  /** Its interface; nothing where no interface has the address. */
  readonly device: string | undefined;
  readonly isVpn: boolean;
  readonly gateway: string | undefined;
}

/** ARPHRD_ values (linux/if_arp.h) of devices that are tunnels: PPP, IP in IP, SIT, GRE, none (tun, WireGuard). */
const TUNNEL_TYPES: ReadonlySet<string> = new Set(["512", "768", "769", "776", "778", "823", "65534"]);
const VPN_NAME =
  /^(wg|tun|tap|ppp|ipsec|vti|xfrm|tailscale|zt|nordlynx|proton|mullvad|cscotun|gpd|utun|wt)\d*/;

/**
 * A connected UDP socket has been routed, by all rules and tables of the system, and has sent nothing. Rejects with
 * what the system says where there is no way.
 */
export async function networkPath(root: SystemRoot, address: string, port: number): Promise<NetworkPath> {
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  try {
    socket.connect(port, address);
    await once(socket, "connect");
    const source = socket.address().address;
    const own = interfaceOf(source);
    // What this machine sends to itself is in another table than the one that is looked at.
    if (own === "lo" || source === address) return { source, device: own, isVpn: false, gateway: undefined };
    const route = routeTo(root, address);
    // An interface without a carrier, such as a tunnel whose program has ended, is not among those that run.
    const device = own ?? route?.device;
    return { source, device, isVpn: isTunnel(root, device), gateway: route?.gateway };
  } finally {
    socket.close();
  }
}

/** `eth0 (10.0.2.15), by way of 10.0.2.2` */
export function describePath({ source, device, gateway }: NetworkPath): string {
  const out = device === undefined ? source : `${device} (${source})`;
  return gateway === undefined ? out : `${out}, by way of ${gateway}`;
}

function interfaceOf(source: string): string | undefined {
  const bare = source.replace(/%.*$/, "");
  return Object.entries(networkInterfaces()).find(([, own]) =>
    own?.some(({ address }) => address === bare),
  )?.[0];
}

function isTunnel(root: SystemRoot, device: string | undefined): boolean {
  if (device === undefined) return false;
  const folder = `sys/class/net/${device}`;
  return (
    VPN_NAME.test(device) ||
    root.exists(`${folder}/tun_flags`) ||
    TUNNEL_TYPES.has(root.text(`${folder}/type`) ?? "")
  );
}
