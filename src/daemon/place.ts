import { type Address, AddressError, parseAddress } from "../links/address.ts";
import { isLinkAddress, type LinkAddress } from "../links/listen.ts";
import { AccessDenied, WrongUsage } from "./failure.ts";
import { isLoopback, type LinkKind } from "./rules/facts.ts";

/** Whether a rule could allow something to a client from elsewhere, over such a link. */
export type Admits = (link: LinkKind) => boolean;

/** Reads an address to dial; throws WrongUsage. */
export function dialPlace(text: string): LinkAddress {
  const address = readAddress(text);
  if (!isLinkAddress(address)) throw notBuilt(text, address);
  return address;
}

/**
 * Reads an address where this host offers devices, or this guest takes them; throws WrongUsage, or AccessDenied
 * where nobody from elsewhere could be allowed anything.
 */
export function listenPlace(text: string, side: "host" | "guest", admits: Admits = () => false): LinkAddress {
  const address = dialPlace(text);
  if (address.kind === "tcp" && !isThisMachine(address.host) && !admits("tcp")) {
    const { port } = address;
    const danger =
      side === "host"
        ? "would offer the devices to everyone who reaches this machine"
        : "would let everyone who reaches this machine plug devices into its kernel";
    const tunnel = side === "host" ? `ssh -R ${port}:127.0.0.1:${port}` : `ssh -L ${port}:127.0.0.1:${port}`;
    const way =
      side === "host"
        ? "no rule allows anybody there anything. Add one, for example `usbferry policy add allow client=192.168.7.0/24`, or listen"
        : "a guest has no rules yet that name who may. Listen";
    throw new AccessDenied(
      `listening on "${text}" ${danger}, and ${way} on tcp:${port} ` +
        `(loopback) or unix:PATH, and let others in by a tunnel: ${tunnel} ${side === "host" ? "OTHER" : "THIS"}-MACHINE`,
    );
  }
  return address;
}

function readAddress(text: string): Address {
  const address = parseAddress(text);
  if (address instanceof AddressError) throw new WrongUsage(address.message);
  if (address.protocol === "wslusb") {
    throw new WrongUsage(`"${text}": the WSL-USB protocol is not built yet. Leave out "wslusb+" for USB/IP.`);
  }
  return address;
}

function notBuilt(text: string, address: Address): WrongUsage {
  const kind = address.kind === "ring-pci" ? "ring" : address.kind;
  return new WrongUsage(
    `"${text}": addresses of the kind ${kind}: are not built yet. What works: tcp:PORT, tcp:HOST:PORT and unix:PATH.`,
  );
}

function isThisMachine(host: string): boolean {
  return host === "localhost" || isLoopback(host);
}
