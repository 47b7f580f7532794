import { BlockList } from "node:net";
import { type Endpoint, parseAddress } from "../../links/address.ts";
import type { Link } from "../../links/link.ts";
import { peerCredentials } from "../../linux/peer-credentials.ts";
import { SystemError } from "../../linux/system-error.ts";
import { type Descriptors, parseDescriptors } from "../../usb/descriptor-walk.ts";
import type { DistantDevice } from "../../usbip/exports.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";

/** Kinds of link that a rule can name. */
export const LINK_KINDS = ["tcp", "tls", "unix", "vsock", "hvsocket", "fc-vsock", "ring"] as const;
export type LinkKind = (typeof LINK_KINDS)[number];

/** What rules know of a device. */
export interface DeviceFacts {
  readonly busid: string;
  readonly idVendor: number;
  readonly idProduct: number;
  /** Absent if the device has none. */
  readonly serial?: string;
  /** Of the device and of every alternate setting of each interface, in every configuration. */
  readonly classes: readonly ClassCode[];
}

export type ClassCode = readonly [code: number, subClass: number, protocol: number];

/** What rules know of the client. What could not be found out is absent. */
export interface ClientFacts {
  /** `memory` is this very process. */
  readonly link: LinkKind | "memory" | "unknown";
  /** Of tcp and tls: the numeric address. */
  readonly address?: string;
  /** Of unix: the process at the other end when it connected. */
  readonly uid?: number;
  readonly pid?: number;
  /** Of vsock. */
  readonly cid?: number;
  /** Of tls: the paired machine, by its name here. */
  readonly name?: string;
  /** Of ring, where it is a virtual machine: the file that is its memory. */
  readonly memory?: string;
  /** This host has dialled it, because it was told to. */
  readonly isDialled: boolean;
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** A numeric address of this machine's loopback interface. */
export function isLoopback(address: string): boolean {
  return loopback.check(address, address.includes(":") ? "ipv6" : "ipv4");
}

export function deviceFacts(busid: string, device: DistantDevice, serial: string | undefined): DeviceFacts {
  const descriptors = parseDescriptors(device.descriptors);
  // Such a device cannot be imported by anybody (usbip/device-record.ts).
  if (descriptors instanceof ProtocolError) return { busid, idVendor: 0, idProduct: 0, classes: [] };
  const { idVendor, idProduct } = descriptors.device;
  return {
    busid,
    idVendor,
    idProduct,
    ...(serial !== undefined && { serial }),
    classes: classesOf(descriptors),
  };
}

function classesOf({ device, configurations }: Descriptors): readonly ClassCode[] {
  const { bDeviceClass, bDeviceSubClass, bDeviceProtocol } = device;
  const interfaces = configurations.flatMap(({ settings }) =>
    settings.map(({ descriptor }): ClassCode => {
      const { bInterfaceClass, bInterfaceSubClass, bInterfaceProtocol } = descriptor;
      return [bInterfaceClass, bInterfaceSubClass, bInterfaceProtocol];
    }),
  );
  // 0: each interface tells its own (USB 2.0 §9.6.1).
  return bDeviceClass === 0 ? interfaces : [[bDeviceClass, bDeviceSubClass, bDeviceProtocol], ...interfaces];
}

export function clientFacts(link: Link, isDialled: boolean): ClientFacts {
  const { peer } = link;
  if (peer.startsWith("memory:")) return { link: "memory", isDialled };
  const address = parseAddress(peer);
  if (!("kind" in address)) return { link: "unknown", isDialled };
  return { ...endpointFacts(address, link), isDialled };
}

function endpointFacts(address: Endpoint, { descriptor, peerName }: Link): Omit<ClientFacts, "isDialled"> {
  switch (address.kind) {
    case "tcp":
    case "tls": {
      const numeric = numericAddress(address.host);
      return {
        link: address.kind,
        ...(numeric !== undefined && { address: numeric }),
        ...(peerName !== undefined && { name: peerName }),
      };
    }
    case "unix":
    case "ring": {
      const link = address.kind;
      const credentials = descriptor === undefined ? undefined : peerCredentials(descriptor);
      if (credentials === undefined || credentials instanceof SystemError) return { link };
      return { link, uid: credentials.uid, pid: credentials.pid };
    }
    case "vsock":
      return { link: "vsock", ...(address.cid !== undefined && { cid: address.cid }) };
    case "ring-file":
      return { link: "ring", memory: address.path };
    case "ring-pci":
      return { link: "ring", memory: address.device };
    default:
      return { link: address.kind };
  }
}

/** Without the zone, and IPv4 as such where a listener for both families shows it in IPv6 (RFC 4291 §2.5.5.2). */
function numericAddress(host: string): string | undefined {
  const bare = host.replace(/%.*$/, "").replace(/^::ffff:(?=\d+\.)/i, "");
  return /^[0-9.]+$|:/.test(bare) ? bare : undefined;
}
