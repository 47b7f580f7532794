import {
  type Address,
  AddressError,
  type FileRingAddress,
  type PciRingAddress,
  type Protocol,
  parseAddress,
  printAddress,
} from "../links/address.ts";
import { isLinkAddress, type LinkAddress } from "../links/listen.ts";
import { VMADDR_CID_HOST, VMADDR_CID_LOCAL } from "../linux/vsock.ts";
import { AccessDenied, WrongUsage } from "./failure.ts";
import { type ClientFacts, isLoopback, type LinkKind } from "./rules/facts.ts";

/** Whether a rule could allow something to a client from elsewhere, over such a link. */
export type Admits = (link: LinkKind) => boolean;

/** Where a link leads or is waited for, and what is spoken there: USB/IP unless something else is said. */
export type Place = LinkAddress & { readonly protocol?: Protocol };

/** Where a guest finds a host. */
export type RemotePlace = Place | (PciRingAddress & { readonly protocol?: Protocol });

/** Where a host waits for guests. */
export type ListenPlace = Place | (FileRingAddress & { readonly protocol?: Protocol });

/** Reads the address of a host; throws WrongUsage. */
export function remotePlace(text: string): RemotePlace {
  const address = readAddress(text);
  return address.kind === "ring-pci" ? address : asPlace(text, address);
}

/** Reads an address to dial; throws WrongUsage. */
export function dialPlace(text: string): Place {
  return asPlace(text, readAddress(text));
}

function asPlace(text: string, address: Address): Place {
  if (isLinkAddress(address)) return address;
  switch (address.kind) {
    case "ring-pci":
      throw new WrongUsage(
        `"${text}" is the memory of a virtual machine as it sees it: there \`usbferry attach ${text} DEV\` has a device of ` +
          "its host, which listens at ring:file:MEMORY,port=SOCKET.",
      );
    case "ring-file":
      throw new WrongUsage(
        `"${text}" is the memory of a virtual machine as its host sees it: \`usbferry serve --listen ${text}\` serves it, ` +
          "and the guest attaches from ring:pci:ADDRESS.",
      );
    default:
      throw notBuilt(text, address);
  }
}

/**
 * Reads an address where this host offers devices, or this guest takes them; throws WrongUsage, or AccessDenied
 * where nobody from elsewhere could be allowed anything.
 */
export function listenPlace(text: string, side: "guest"): Place;
export function listenPlace(text: string, side: "host", admits?: Admits): ListenPlace;
export function listenPlace(text: string, side: "host" | "guest", admits: Admits = () => false): ListenPlace {
  const read = readAddress(text);
  const address = side === "host" && read.kind === "ring-file" ? read : asPlace(text, read);
  const who = listenersReach(address);
  if (who === undefined) return address;
  if (side === "host" ? admits(linkKind(address)) : isTrusted(address)) return address;
  throw new AccessDenied(side === "host" ? wouldOffer(text, address, who) : wouldTake(text, address, who));
}

/** Who could come to a listener there, beyond this machine; nothing if nobody could. */
function listenersReach(address: ListenPlace): string | undefined {
  switch (address.kind) {
    case "tcp":
      return isThisMachine(address.host) ? undefined : "everyone who reaches this machine";
    case "tls":
      return isThisMachine(address.host) ? undefined : "every paired machine";
    case "unix":
    case "ring":
      return undefined;
    case "vsock":
      if (address.cid === VMADDR_CID_LOCAL) return undefined;
      return address.cid === undefined
        ? "every virtual machine of this machine"
        : `the virtual machine ${address.cid}`;
    case "fc-vsock":
    case "ring-file":
      return "the virtual machine behind it";
  }
}

/** What rules call it. */
function linkKind({ kind }: ListenPlace): LinkKind {
  return kind === "ring-file" ? "ring" : kind;
}

/** A guest takes devices of whom it was paired with, and of the machine that is named: those who can be no other. */
function isTrusted({ kind }: ListenPlace): boolean {
  return kind !== "tcp";
}

function wouldOffer(text: string, address: ListenPlace, who: string): string {
  const danger = `listening on "${text}" would offer the devices to ${who}, and no rule allows anybody there anything`;
  switch (address.kind) {
    case "tcp":
      return (
        `${danger}. Add one, for example \`usbferry policy add allow client=192.168.7.0/24\`, or listen on ` +
        `tcp:${address.port} (loopback) or unix:PATH, and let others in by a tunnel: ssh -R ${address.port}:127.0.0.1:${address.port} OTHER-MACHINE`
      );
    case "tls":
      return `${danger}. Add one, for example \`usbferry policy add allow client=tls:NAME\` (\`usbferry pair list\` shows names).`;
    case "vsock":
      return `${danger}. Add one, for example \`usbferry policy add allow client=vsock:${address.cid ?? 3}\`.`;
    case "ring-file":
      return `${danger}. Add one, for example \`usbferry policy add allow client=ring:${address.path}\`.`;
    default:
      return `${danger}. Add one, for example \`usbferry policy add allow link=${linkKind(address)}\`.`;
  }
}

function wouldTake(text: string, address: ListenPlace, who: string): string {
  const port = "port" in address ? address.port : 0;
  return (
    `listening on "${text}" would let ${who} plug devices into its kernel, and a guest has no rules yet that name who ` +
    `may. Listen on tls:0.0.0.0:${port} for paired machines (usbferry pair), or on tcp:${port} (loopback) or unix:PATH, and ` +
    `let others in by a tunnel: ssh -L ${port}:127.0.0.1:${port} THIS-MACHINE`
  );
}

/**
 * Whether somebody who came to a waiting guest may plug devices into its kernel. A machine that has virtual machines
 * takes them from one of those only where that one was named.
 */
export function mayPlug(place: LinkAddress, { link, cid }: ClientFacts): boolean {
  if (place.kind !== "vsock" || link !== "vsock" || place.cid !== undefined) return true;
  return cid === VMADDR_CID_LOCAL || cid === VMADDR_CID_HOST;
}

/** Where the other side listens that is dialled here, or dials what listens here: the address as it is written there. */
export function seenFromThere(place: ListenPlace, side: "listens" | "dials"): string {
  switch (place.kind) {
    case "vsock":
    case "fc-vsock": {
      const there: Place = { kind: "vsock", port: place.port, protocol: place.protocol ?? "usbip" };
      return printAddress(side === "listens" ? there : { ...there, cid: hostCid(place) });
    }
    case "ring-file":
      return "ring:pci:ADDRESS";
    default:
      return printAddress(place);
  }
}

function hostCid(place: LinkAddress): number {
  const isHere = place.kind === "vsock" && place.cid === VMADDR_CID_LOCAL;
  return isHere ? VMADDR_CID_LOCAL : VMADDR_CID_HOST;
}

function readAddress(text: string): Address {
  const address = parseAddress(text);
  if (address instanceof AddressError) throw new WrongUsage(address.message);
  return address;
}

function notBuilt(text: string, { kind }: Address): WrongUsage {
  return new WrongUsage(
    `"${text}": addresses of the kind ${kind}: are not built yet. What works: tcp:, tls:, unix:, vsock:, fc-vsock: and ring:.`,
  );
}

function isThisMachine(host: string): boolean {
  return host === "localhost" || isLoopback(host);
}
