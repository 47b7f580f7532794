import { BlockList } from "node:net";
import { type Address, AddressError, parseAddress } from "../links/address.ts";
import { isLinkAddress, type LinkAddress } from "../links/listen.ts";
import { AccessDenied, WrongUsage } from "./failure.ts";

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Reads an address to dial; throws WrongUsage. */
export function dialPlace(text: string): LinkAddress {
  const address = readAddress(text);
  if (!isLinkAddress(address)) throw notBuilt(text, address);
  return address;
}

/**
 * Reads an address where this host offers devices, or this guest takes them; throws WrongUsage, or AccessDenied
 * where no rule allows it.
 */
export function listenPlace(text: string, side: "host" | "guest"): LinkAddress {
  const address = dialPlace(text);
  if (address.kind === "tcp" && !isLoopback(address.host)) {
    const { port } = address;
    const danger =
      side === "host"
        ? "would offer the devices to everyone who reaches this machine"
        : "would let everyone who reaches this machine plug devices into its kernel";
    const tunnel = side === "host" ? `ssh -R ${port}:127.0.0.1:${port}` : `ssh -L ${port}:127.0.0.1:${port}`;
    throw new AccessDenied(
      `listening on "${text}" ${danger}, and rules that name who may are not built yet. Listen on tcp:${port} ` +
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

function isLoopback(host: string): boolean {
  return host === "localhost" || loopback.check(host, host.includes(":") ? "ipv6" : "ipv4");
}
