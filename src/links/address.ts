/**
 * Addresses of the command line. What is written here parses; whether a kind can be listened on or dialled is
 * for `listen` and `dial` to know.
 */
export interface TcpAddress {
  readonly kind: "tcp";
  readonly host: string;
  readonly port: number;
}

export interface TlsAddress {
  readonly kind: "tls";
  readonly host: string;
  readonly port: number;
}

export interface UnixAddress {
  readonly kind: "unix";
  readonly path: string;
}

export interface VsockAddress {
  readonly kind: "vsock";
  /** Without it: every virtual machine when listening. */
  readonly cid?: number;
  readonly port: number;
}

export interface HvsocketAddress {
  readonly kind: "hvsocket";
  readonly vmid: string;
  readonly port: number;
}

/** The unix socket by which Firecracker and Cloud Hypervisor offer a guest's vsock. */
export interface FirecrackerVsockAddress {
  readonly kind: "fc-vsock";
  readonly path: string;
  readonly port: number;
}

/** A unix socket that hands over shared memory. */
export interface RingAddress {
  readonly kind: "ring";
  readonly path: string;
}

/** Shared memory in a PCI BAR of this virtual machine. */
export interface PciRingAddress {
  readonly kind: "ring-pci";
  readonly device: string;
  /** Default: by the virtio-serial port `DEFAULT_PORT`. */
  readonly waking?: Waking;
}

/** A file of this machine that a virtual machine has as memory of a PCI BAR. */
export interface FileRingAddress {
  readonly kind: "ring-file";
  readonly path: string;
  readonly waking: Waking;
}

/** What a virtual machine and its host wake each other by. */
export type Waking =
  /** A virtio-serial port: its name in the guest, its socket at the host. */
  | { readonly port: string }
  /** A connection: the guest dials the host. */
  | { readonly wake: WakeAddress };

export type WakeAddress = TcpAddress | UnixAddress | VsockAddress | FirecrackerVsockAddress;

export const DEFAULT_PORT = "usbferry.ring";

export type Endpoint =
  | TcpAddress
  | TlsAddress
  | UnixAddress
  | VsockAddress
  | HvsocketAddress
  | FirecrackerVsockAddress
  | RingAddress
  | PciRingAddress
  | FileRingAddress;

/** What is spoken there: USB/IP unless the address begins with `wslusb+`. */
export type Protocol = "usbip" | "wslusb";

export type Address = Endpoint & { readonly protocol: Protocol };

/** A text is no address. `message` quotes it, says why, and shows a right one. */
export class AddressError {
  readonly message: string;

  constructor(text: string, reason: string, example: string) {
    this.message = `"${text}" is no address: ${reason}. Write for example ${example}.`;
  }
}

/** Of USB/IP, and of TCP whatever is spoken there: a listener tells the protocols apart by their first bytes. */
const USBIP_PORT = 3240;

/** Of WSL-USB on Hyper-V sockets; more than TCP has. */
const WSLUSB_PORT = 0x5553422;

const LOOPBACK = "127.0.0.1";
const TCP_PORTS = 0xffff;
const VSOCK_PORTS = 0xffffffff;

export function parseAddress(text: string): Address | AddressError {
  const wslusb = text.startsWith("wslusb+");
  const protocol = wslusb ? "wslusb" : "usbip";
  const bare = wslusb ? text.slice("wslusb+".length) : text;
  const colon = bare.indexOf(":");
  if (colon < 0) {
    return new AddressError(text, "it does not say what kind it is", "tcp:3240 or unix:/run/usbferry.sock");
  }
  const endpoint = parseEndpoint(bare.slice(0, colon), bare.slice(colon + 1), protocol);
  if ("refused" in endpoint) return new AddressError(text, endpoint.refused, endpoint.example);
  return { ...endpoint, protocol };
}

interface Refusal {
  readonly refused: string;
  readonly example: string;
}

function parseEndpoint(kind: string, rest: string, protocol: Protocol): Endpoint | Refusal {
  switch (kind) {
    case "tcp":
    case "tls":
      return parseHostPort(kind, rest);
    case "unix":
      return rest === ""
        ? { refused: "the path is missing", example: "unix:/run/usbferry.sock" }
        : { kind, path: rest };
    case "vsock":
      return parseVsock(rest);
    case "hvsocket": {
      const [, vmid = "", digits] = /^([^:]+)(?::([^:]*))?$/.exec(rest) ?? [];
      const defaultPort = protocol === "wslusb" ? WSLUSB_PORT : USBIP_PORT;
      const port = digits === undefined ? defaultPort : parseNumber(digits, VSOCK_PORTS);
      return vmid === "" || port === undefined
        ? { refused: "a VM id and a port are needed", example: "hvsocket:VMID:3240" }
        : { kind, vmid, port };
    }
    case "fc-vsock": {
      const [, path, digits = ""] = /^(.+):([^:]*)$/.exec(rest) ?? [];
      const port = parseNumber(digits, VSOCK_PORTS);
      return path === undefined || port === undefined
        ? { refused: "the path of the socket and a port are needed", example: "fc-vsock:/run/vm1.vsock:3240" }
        : { kind, path, port };
    }
    case "ring":
      return parseRing(rest);
    default:
      return {
        refused: `"${kind}" is not a kind of address`,
        example:
          "tcp:3240, tls:HOST:3240, unix:PATH, vsock:CID:PORT, hvsocket:VMID:PORT, fc-vsock:PATH:PORT or ring:PATH",
      };
  }
}

function parseHostPort(kind: "tcp" | "tls", rest: string): Endpoint | Refusal {
  const example = `${kind}:3240, ${kind}:192.0.2.7:3240 or ${kind}:[::1]:3240`;
  if (/^\d+$/.test(rest)) {
    const port = parseNumber(rest, TCP_PORTS);
    return port === undefined
      ? { refused: `a port is at most ${TCP_PORTS}`, example }
      : { kind, host: LOOPBACK, port };
  }
  const match = /^(?:\[([^\]]*)\]|([^:[\]]+))(?::(.*))?$/.exec(rest);
  if (match === null) {
    return rest.includes("::")
      ? { refused: "an IPv6 address stands in brackets", example }
      : { refused: "a host and a port are needed", example };
  }
  const [, ipv6, name, digits] = match;
  if (ipv6 !== undefined && !/^[0-9a-f:.]*:[0-9a-f:.]*(%\w+)?$/i.test(ipv6)) {
    return { refused: "only an IPv6 address stands in brackets", example };
  }
  const host = ipv6 ?? name!;
  if (/[\s/]/.test(host)) return { refused: `"${host}" is no host`, example };
  const port = digits === undefined ? USBIP_PORT : parseNumber(digits, TCP_PORTS);
  if (port === undefined) return { refused: `the port is a number up to ${TCP_PORTS}`, example };
  return { kind, host, port };
}

function parseVsock(rest: string): Endpoint | Refusal {
  const example = "vsock:3240 or vsock:3:3240";
  const parts = rest.split(":").map((digits) => parseNumber(digits, VSOCK_PORTS));
  const [first, second] = parts;
  if (parts.length === 1 && first !== undefined) return { kind: "vsock", port: first };
  if (parts.length === 2 && first !== undefined && second !== undefined) {
    return { kind: "vsock", cid: first, port: second };
  }
  return { refused: "a port, or a context id and a port, are needed", example };
}

function parseRing(rest: string): Endpoint | Refusal {
  if (rest.startsWith("pci:")) return parsePciRing(rest.slice("pci:".length));
  if (rest.startsWith("file:")) return parseFileRing(rest.slice("file:".length));
  return rest === ""
    ? { refused: "the path is missing", example: "ring:/run/usbferry.ring" }
    : { kind: "ring", path: rest };
}

function parsePciRing(rest: string): Endpoint | Refusal {
  const [device, waking] = cutWaking(rest);
  const example = "ring:pci:0000:00:05.0 or ring:pci:0000:00:05.0,port=NAME";
  if (!/^([0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/i.test(device)) {
    return { refused: `"${device}" is no PCI address`, example };
  }
  if (waking === undefined) return { kind: "ring-pci", device };
  return "refused" in waking ? waking : { kind: "ring-pci", device, waking };
}

function parseFileRing(rest: string): Endpoint | Refusal {
  const [path, waking] = cutWaking(rest);
  const example = "ring:file:/dev/shm/vm1,port=/run/vm1.port";
  if (path === "") return { refused: "the path of the memory is missing", example };
  if (waking === undefined) {
    return { refused: "it does not say what the virtual machine is woken by (port= or wake=)", example };
  }
  return "refused" in waking ? waking : { kind: "ring-file", path, waking };
}

/** What stands before and behind the last ",port=" or ",wake=". */
function cutWaking(text: string): readonly [string, (Waking | Refusal)?] {
  const [, before, key, value = ""] = /^(.*),(port|wake)=(.*)$/.exec(text) ?? [];
  if (before === undefined) return [text];
  if (key === "wake") return [before, parseWake(value)];
  if (value !== "") return [before, { port: value }];
  return [before, { refused: "the port is missing", example: `ring:pci:0000:00:05.0,port=${DEFAULT_PORT}` }];
}

function parseWake(text: string): Waking | Refusal {
  const address = parseAddress(text);
  const isUsable = "kind" in address && address.protocol === "usbip" && isWakeAddress(address);
  if (!isUsable) {
    return { refused: `"${text}" wakes nobody`, example: "wake=tcp:10.0.2.2:5000 or wake=vsock:5000" };
  }
  const { protocol: _, ...wake } = address;
  return { wake };
}

function isWakeAddress(address: Address): address is WakeAddress & Address {
  return ["tcp", "unix", "vsock", "fc-vsock"].includes(address.kind);
}

/** Decimal, or hexadecimal with 0x as vsock ports are often written. */
function parseNumber(digits: string, maximum: number): number | undefined {
  if (!/^(\d{1,10}|0x[0-9a-f]{1,8})$/i.test(digits)) return undefined;
  const value = Number(digits);
  return value <= maximum ? value : undefined;
}

/** The text that `parseAddress` reads; default ports are written out. */
export function printAddress(address: Address | Endpoint): string {
  const text = printEndpoint(address);
  return "protocol" in address && address.protocol === "wslusb" ? `wslusb+${text}` : text;
}

function printEndpoint(address: Endpoint): string {
  switch (address.kind) {
    case "tcp":
    case "tls":
      return `${address.kind}:${printHostPort(address.host, address.port)}`;
    case "unix":
    case "ring":
      return `${address.kind}:${address.path}`;
    case "vsock":
      return address.cid === undefined ? `vsock:${address.port}` : `vsock:${address.cid}:${address.port}`;
    case "hvsocket":
      return `hvsocket:${address.vmid}:${address.port}`;
    case "fc-vsock":
      return `fc-vsock:${address.path}:${address.port}`;
    case "ring-pci":
      return `ring:pci:${address.device}${address.waking === undefined ? "" : printWaking(address.waking)}`;
    case "ring-file":
      return `ring:file:${address.path}${printWaking(address.waking)}`;
  }
}

function printWaking(waking: Waking): string {
  return "port" in waking ? `,port=${waking.port}` : `,wake=${printEndpoint(waking.wake)}`;
}

export function printHostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
