import { BlockList, isIPv4, isIPv6 } from "node:net";
import { BOOT_PROTOCOL_NAMES, BOOT_SUBCLASS, CLASS_NAMES, HID_CLASS } from "../class-names.ts";
import { hex4 } from "../device-description.ts";
import { type ClientFacts, type DeviceFacts, isLoopback, LINK_KINDS, type LinkKind } from "./facts.ts";
import { globMatches } from "./glob.ts";

/** What a rule asks of a device and of the client; absent is any. */
export interface Conditions {
  readonly device?: { readonly idVendor: number; readonly product: string };
  readonly serial?: string;
  readonly busid?: string;
  readonly class?: ClassPattern;
  readonly client?: ClientPattern;
  readonly link?: LinkKind;
}

interface ClassPattern {
  /** As it is printed: a name, or `CLASS[:SUBCLASS[:PROTOCOL]]`. */
  readonly text: string;
  /** One to three of them. */
  readonly codes: readonly number[];
}

type ClientPattern =
  | {
      readonly by: "network";
      readonly text: string;
      readonly network: BlockList;
      readonly isLoopback: boolean;
    }
  | { readonly by: "uid"; readonly uid: number }
  | { readonly by: "vsock"; readonly cid: number }
  | { readonly by: "tls"; readonly name: string }
  | { readonly by: "ring"; readonly memory: string };

/** One key of the text form of a rule. */
interface Condition<V> {
  /** For messages and the manual. */
  readonly expects: string;
  /** `client` and `link` say nothing of a device that nobody has asked for. */
  readonly about: "device" | "client";
  read(text: string): V | undefined;
  print(value: V): string;
  /** Nothing if the facts do not tell. */
  matches(value: V, device: DeviceFacts, client: ClientFacts): boolean | undefined;
}

const ID_MAX = 0xffffffff;

const classesByName: ReadonlyMap<string, readonly number[]> = new Map<string, readonly number[]>([
  ...Array.from(CLASS_NAMES, ([code, name]) => [className(name), [code]] as const),
  ...Array.from(
    BOOT_PROTOCOL_NAMES,
    ([protocol, name]) => [className(name), [HID_CLASS, BOOT_SUBCLASS, protocol]] as const,
  ),
]);

const TABLE: { readonly [K in keyof Conditions]-?: Condition<NonNullable<Conditions[K]>> } = {
  device: {
    expects: "VID:PID, as in 0781:5581; the PID may be * or end with it",
    about: "device",
    read(text) {
      const [, vid, product] = /^([0-9a-f]{4}):([0-9a-f]{4}|[0-9a-f]{0,3}\*)$/i.exec(text) ?? [];
      return vid === undefined || product === undefined
        ? undefined
        : { idVendor: Number.parseInt(vid, 16), product: product.toLowerCase() };
    },
    print: ({ idVendor, product }) => `${hex4(idVendor)}:${product}`,
    matches: ({ idVendor, product }, device) =>
      device.idVendor === idVendor && globMatches(product, hex4(device.idProduct)),
  },
  serial: {
    expects: "a serial number, in which * stands for any characters and ? for one",
    about: "device",
    read: (text) => text,
    print: (pattern) => pattern,
    matches: (pattern, { serial }) => serial !== undefined && globMatches(pattern, serial),
  },
  busid: {
    expects: "a bus id such as 1-2, in which * stands for any characters and ? for one",
    about: "device",
    read: (text) => text,
    print: (pattern) => pattern,
    matches: (pattern, { busid }) => globMatches(pattern, busid),
  },
  class: {
    expects: `a class code such as 08 or 03:01:02 (class, subclass, protocol), or one of ${Array.from(classesByName.keys()).join(", ")}`,
    about: "device",
    read(text) {
      const name = className(text);
      const named = classesByName.get(name);
      if (named !== undefined) return { text: name, codes: named };
      if (!/^(0x)?[0-9a-f]{2}(:[0-9a-f]{2}){0,2}$/i.test(text)) return undefined;
      const codes = text.replace(/^0x/i, "").toLowerCase();
      return { text: codes, codes: codes.split(":").map((code) => Number.parseInt(code, 16)) };
    },
    print: ({ text }) => text,
    matches: ({ codes }, { classes }) => classes.some((found) => codes.every((code, i) => code === found[i])),
  },
  client: {
    expects:
      "an IP address or network such as 192.168.7.0/24, uid:N (a user, over unix), vsock:CID, ring:MEMORY (a virtual machine, by the file that it shares) or tls:NAME (a paired machine); * stands for any characters",
    about: "client",
    read(text) {
      const [, name] = /^tls:([A-Za-z0-9._*?-]{1,63})$/.exec(text) ?? [];
      if (name !== undefined) return { by: "tls", name };
      const [, memory] = /^ring:(\S{1,255})$/.exec(text) ?? [];
      if (memory !== undefined) return { by: "ring", memory };
      const [, kind, digits = ""] = /^(uid|vsock):(\d{1,10})$/.exec(text) ?? [];
      if (kind === undefined) return readNetwork(text);
      const id = Number(digits);
      if (id > ID_MAX) return undefined;
      return kind === "uid" ? { by: "uid", uid: id } : { by: "vsock", cid: id };
    },
    print(pattern) {
      switch (pattern.by) {
        case "network":
          return pattern.text;
        case "uid":
          return `uid:${pattern.uid}`;
        case "vsock":
          return `vsock:${pattern.cid}`;
        case "tls":
          return `tls:${pattern.name}`;
        case "ring":
          return `ring:${pattern.memory}`;
      }
    },
    matches(pattern, _, client) {
      switch (pattern.by) {
        case "network":
          if (client.link !== "tcp" && client.link !== "tls") return false;
          return client.address === undefined
            ? undefined
            : pattern.network.check(client.address, isIPv6(client.address) ? "ipv6" : "ipv4");
        case "uid":
          if (client.link !== "unix" && client.link !== "ring") return false;
          return client.uid === undefined ? undefined : client.uid === pattern.uid;
        case "vsock":
          if (client.link !== "vsock") return false;
          return client.cid === undefined ? undefined : client.cid === pattern.cid;
        case "tls":
          if (client.link !== "tls") return false;
          return client.name === undefined ? undefined : globMatches(pattern.name, client.name);
        case "ring":
          return client.memory !== undefined && globMatches(pattern.memory, client.memory);
      }
    },
  },
  link: {
    expects: `one of ${LINK_KINDS.join(", ")}`,
    about: "client",
    read: (text) => LINK_KINDS.find((kind) => kind === text),
    print: (kind) => kind,
    matches: (kind, _, { link }) => link === kind,
  },
};

/** In the order in which they are printed. What `read` gave for a key is what its other functions take. */
export const CONDITIONS = TABLE as Readonly<Record<keyof Conditions, Condition<never>>>;

export const CONDITION_KEYS = Object.keys(TABLE) as readonly (keyof Conditions)[];

/** Whether a client over such a link, from beyond this machine, can have this pattern. */
export function clientCanBe(pattern: ClientPattern, link: LinkKind): boolean {
  switch (pattern.by) {
    case "network":
      return (link === "tcp" || link === "tls") && !pattern.isLoopback;
    case "uid":
      return link === "unix";
    case "vsock":
      return link === "vsock";
    case "tls":
      return link === "tls";
    case "ring":
      return link === "ring";
  }
}

function readNetwork(text: string): ClientPattern | undefined {
  const [, address = "", digits] = /^([0-9a-f.:]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? [];
  const family = isIPv4(address) ? "ipv4" : isIPv6(address) ? "ipv6" : undefined;
  if (family === undefined) return undefined;
  const bits = family === "ipv4" ? 32 : 128;
  const prefix = digits === undefined ? bits : Number(digits);
  if (prefix > bits) return undefined;
  const network = new BlockList();
  network.addSubnet(address, prefix, family);
  const isWithin = isLoopback(address) && prefix >= (family === "ipv4" ? 8 : 128);
  return { by: "network", text: text.toLowerCase(), network, isLoopback: isWithin };
}

function className(words: string): string {
  return words.toLowerCase().replaceAll(" ", "-");
}
