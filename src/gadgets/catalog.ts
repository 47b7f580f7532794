import { Speed } from "../usb/speed.ts";
import { STRING_UNITS_MAX } from "../usb/string-descriptor.ts";
import { Audio } from "./audio.ts";
import type { BlockFailure, BlockStore } from "./block-store.ts";
import { parseByteSize } from "./byte-size.ts";
import type { ByteStream } from "./byte-stream.ts";
import { Disk } from "./disk.ts";
import type { Gadget } from "./gadget.ts";
import type { GadgetIdentity } from "./identity.ts";
import { Keyboard, refuseText } from "./keyboard.ts";
import { MemoryStore } from "./memory-store.ts";
import { Mouse } from "./mouse.ts";
import type { Pattern } from "./pattern.ts";
import { type RecordedLife, Replay } from "./replay.ts";
import { Serial } from "./serial.ts";
import { Zero } from "./zero.ts";

/** A gadget to be made. Plain data: it may travel between threads and processes. */
export type GadgetSpecification =
  | (GadgetIdentity & { readonly kind: "zero"; readonly speed: Speed; readonly pattern: Pattern })
  | (GadgetIdentity & { readonly kind: "keyboard"; readonly speed: Speed; readonly text?: string })
  | (GadgetIdentity & { readonly kind: "mouse" | "audio"; readonly speed: Speed })
  | (GadgetIdentity & {
      readonly kind: "disk";
      readonly speed: Speed;
      readonly content: DiskContent;
      readonly readOnly: boolean;
    })
  | (GadgetIdentity & { readonly kind: "serial"; readonly speed: Speed; readonly bridge: SerialBridge })
  | ReplaySpecification;

/** A device that does what a file tells that it did. */
export interface ReplaySpecification {
  readonly kind: "replay";
  readonly file: string;
  /** Which one of several, as BUS.DEV. */
  readonly device?: string;
  /** Default: as it was recorded. */
  readonly speed?: Speed;
  readonly serial?: undefined;
}

/** What a serial port is connected to. */
export type SerialBridge = "echo" | "pty" | { readonly tcp: number };

/** An image file, or memory of that many bytes. */
export type DiskContent = { readonly file: string } | { readonly size: number };

/** What a gadget keeps outside of itself, opened by whoever makes it. */
export interface GadgetBacking {
  /** Needed by a disk whose content is a file. */
  readonly store?: BlockStore;
  readonly onFailure?: (failure: BlockFailure) => void;
  /** Needed by a serial port that is no echo. */
  readonly stream?: ByteStream;
  /** Needed by a replay. */
  readonly recording?: RecordedLife;
}

/** Why a specification cannot be used, and what can be written instead. */
export class GadgetSpecificationError {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

export interface GadgetOption {
  readonly name: string;
  /** What may stand behind the `=`, for a person; empty for an option that stands alone. */
  readonly values: string;
  readonly description: string;
}

/** One line of `usbferry gadget list`. */
export interface GadgetKind {
  readonly name: GadgetSpecification["kind"];
  readonly summary: string;
  readonly options: readonly GadgetOption[];
}

const SPEEDS: ReadonlyMap<string, Speed> = new Map([
  ["low", Speed.low],
  ["full", Speed.full],
  ["high", Speed.high],
  ["super", Speed.super],
]);

const DEFAULT_SIZE = "64M";
const BLOCK = 512;

const IDENTITY_OPTIONS: readonly GadgetOption[] = [
  { name: "vid", values: "4 hexadecimal digits", description: "vendor ID (idVendor)" },
  { name: "pid", values: "4 hexadecimal digits", description: "product ID (idProduct)" },
  {
    name: "serial",
    values: `text without commas, at most ${STRING_UNITS_MAX} characters`,
    description: "serial number; none by default",
  },
];

/** Slowest, fastest and default speed of each kind; a replay has none by default. */
const SPEED_RANGES: Readonly<
  Record<GadgetSpecification["kind"], readonly [Speed, Speed, Speed | undefined]>
> = {
  zero: [Speed.full, Speed.super, Speed.high],
  keyboard: [Speed.low, Speed.super, Speed.full],
  mouse: [Speed.low, Speed.super, Speed.full],
  disk: [Speed.full, Speed.super, Speed.super],
  audio: [Speed.full, Speed.high, Speed.high],
  serial: [Speed.full, Speed.super, Speed.high],
  replay: [Speed.low, Speed.super, undefined],
};

function speedOption(kind: GadgetSpecification["kind"]): GadgetOption {
  const [slowest, fastest, byDefault] = SPEED_RANGES[kind];
  const names = Array.from(SPEEDS).filter(([, speed]) => speed >= slowest && speed <= fastest);
  return {
    name: "speed",
    values: names.map(([name]) => name).join("|"),
    description: `bus speed; ${names.find(([, speed]) => speed === byDefault)?.[0] ?? "that of the recording"} by default`,
  };
}

export const GADGET_KINDS: readonly GadgetKind[] = [
  {
    name: "zero",
    summary: "source, sink and loopback of every transfer type: Linux' gadget zero, for its usbtest module",
    options: [
      speedOption("zero"),
      ...IDENTITY_OPTIONS,
      {
        name: "pattern",
        values: "0|63",
        description:
          "data sent, and demanded of what is received (a mismatch halts the endpoint): zeros, or the position in each packet modulo 63; 0 by default",
      },
    ],
  },
  {
    name: "keyboard",
    summary: "US keyboard in the HID boot protocol",
    options: [
      speedOption("keyboard"),
      ...IDENTITY_OPTIONS,
      {
        name: "text",
        values: "ASCII text without commas",
        description: "typed once, as soon as the computer it is attached to reads the keyboard",
      },
    ],
  },
  {
    name: "mouse",
    summary: "mouse with three buttons and a wheel; it moves when a program of yours moves it",
    options: [speedOption("mouse"), ...IDENTITY_OPTIONS],
  },
  {
    name: "disk",
    summary: "disk (USB mass storage) on an image file, or empty and in memory",
    options: [
      speedOption("disk"),
      ...IDENTITY_OPTIONS,
      {
        name: "file",
        values: "path without commas",
        description: "image file; a whole number of 512-byte blocks, made for example with truncate -s 1G",
      },
      {
        name: "size",
        values: "bytes, or with K, M, G or T at the end",
        description: `instead of a file: so much memory, lost at the end; ${DEFAULT_SIZE} by default`,
      },
      { name: "ro", values: "", description: "write protected" },
    ],
  },
  {
    name: "audio",
    summary: "sound card (USB Audio 1.0, 48 kHz, 16 bits, stereo) that captures what is played on it",
    options: [speedOption("audio"), ...IDENTITY_OPTIONS],
  },
  {
    name: "serial",
    summary: "serial port (USB CDC-ACM)",
    options: [
      speedOption("serial"),
      ...IDENTITY_OPTIONS,
      {
        name: "bridge",
        values: "echo|pty|tcp:PORT",
        description:
          "the other end: what is sent comes back; a pseudo terminal of this machine; or a connection to 127.0.0.1:PORT each time the port is opened; echo by default",
      },
    ],
  },
  {
    name: "replay",
    summary: "does again what a recording of a device tells (usbferry capture, or usbmon by Wireshark)",
    options: [
      {
        name: "file",
        values: "path without commas",
        description: "pcapng with the descriptors of the device, as `usbferry capture` always writes them",
      },
      {
        name: "device",
        values: "BUS.DEV",
        description: "which one, where the recording has several",
      },
      speedOption("replay"),
    ],
  },
];

/** Reads `keyboard,speed=low,serial=abc`: a kind, then options. Commas part options and cannot be in one. */
export function parseGadgetSpec(text: string): GadgetSpecification | GadgetSpecificationError {
  const [name, ...assignments] = text.split(",");
  const kind = GADGET_KINDS.find((candidate) => candidate.name === name);
  if (kind === undefined) {
    const known = GADGET_KINDS.map((candidate) => candidate.name).join(", ");
    return new GadgetSpecificationError(`there is no gadget "${name}"; there are: ${known}`);
  }
  const values = new Map<string, string>();
  for (const assignment of assignments) {
    const equals = assignment.indexOf("=");
    const option = equals < 0 ? assignment : assignment.slice(0, equals);
    const known = kind.options.find((candidate) => candidate.name === option);
    if (known === undefined) {
      const names = kind.options.map((candidate) => candidate.name).join(", ");
      return new GadgetSpecificationError(`the ${name} has no option "${option}"; it has: ${names}`);
    }
    if (equals < 0 && known.values !== "") return wrong(kind, option, "no value");
    if (equals >= 0 && known.values === "") {
      return new GadgetSpecificationError(
        `the option ${option} of the ${name} takes no value; write ${option} alone`,
      );
    }
    if (values.has(option)) {
      return new GadgetSpecificationError(`the option ${option} of the ${name} is given twice; keep one`);
    }
    values.set(option, equals < 0 ? "" : assignment.slice(equals + 1));
  }
  return build(kind, values);
}

/** Throws if a disk whose content is a file comes without its store, or a bridged serial port without its stream. */
export function createGadget(specification: GadgetSpecification, backing: GadgetBacking = {}): Gadget {
  switch (specification.kind) {
    case "zero":
      return new Zero(specification);
    case "keyboard":
      return new Keyboard(specification);
    case "mouse":
      return new Mouse(specification);
    case "audio":
      return new Audio(specification);
    case "disk":
      return new Disk({ ...specification, ...backing, store: backing.store ?? memoryStore(specification) });
    case "serial":
      if (specification.bridge !== "echo" && backing.stream === undefined) {
        throw new Error("the other end of the serial port is to be opened first");
      }
      return new Serial({ ...specification, ...backing });
    case "replay": {
      if (backing.recording === undefined)
        throw new Error(`the file ${specification.file} is to be read first`);
      const { speed } = specification;
      return new Replay({ recording: backing.recording, ...(speed && { speed }) });
    }
  }
}

function memoryStore({ content, readOnly }: GadgetSpecification & { kind: "disk" }): BlockStore {
  if ("file" in content) throw new Error(`the file ${content.file} is to be opened first`);
  return new MemoryStore(content.size, readOnly);
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function build(
  kind: GadgetKind,
  values: ReadonlyMap<string, string>,
): GadgetSpecification | GadgetSpecificationError {
  const identity: Mutable<GadgetIdentity> = {};
  for (const option of ["vid", "pid"] as const) {
    const value = values.get(option);
    if (value === undefined) continue;
    if (!/^[0-9a-f]{4}$/i.test(value)) return wrong(kind, option, `"${value}"`);
    identity[option === "vid" ? "vendorId" : "productId"] = Number.parseInt(value, 16);
  }
  const serial = values.get("serial");
  if (serial !== undefined) {
    if (serial.length > STRING_UNITS_MAX) return wrong(kind, "serial", `${serial.length} characters`);
    identity.serial = serial;
  }
  const [slowest, fastest, byDefault] = SPEED_RANGES[kind.name];
  const speedName = values.get("speed");
  const given = speedName === undefined ? byDefault : SPEEDS.get(speedName);
  if (speedName !== undefined && (given === undefined || given < slowest || given > fastest)) {
    return wrong(kind, "speed", `"${speedName}"`);
  }
  if (kind.name === "replay") return replay(kind, values, given);
  const speed = given!;
  switch (kind.name) {
    case "zero": {
      const pattern = values.get("pattern") ?? "0";
      if (pattern !== "0" && pattern !== "63") return wrong(kind, "pattern", `"${pattern}"`);
      return { kind: "zero", ...identity, speed, pattern: pattern === "0" ? 0 : 63 };
    }
    case "keyboard": {
      const text = values.get("text");
      if (text === undefined) return { kind: "keyboard", ...identity, speed };
      const refused = refuseText(text);
      if (refused !== undefined)
        return new GadgetSpecificationError(`the option text of the keyboard: ${refused.message}`);
      return { kind: "keyboard", ...identity, speed, text };
    }
    case "mouse":
    case "audio":
      return { kind: kind.name, ...identity, speed };
    case "disk": {
      const content = diskContent(kind, values);
      if (content instanceof GadgetSpecificationError) return content;
      return { kind: "disk", ...identity, speed, content, readOnly: values.has("ro") };
    }
    case "serial": {
      const bridge = parseBridge(values.get("bridge") ?? "echo");
      if (bridge === undefined) return wrong(kind, "bridge", `"${values.get("bridge")}"`);
      return { kind: "serial", ...identity, speed, bridge };
    }
  }
}

function replay(
  kind: GadgetKind,
  values: ReadonlyMap<string, string>,
  speed: Speed | undefined,
): ReplaySpecification | GadgetSpecificationError {
  const file = values.get("file") ?? "";
  const device = values.get("device");
  if (file === "") return wrong(kind, "file", "missing");
  if (device !== undefined && !/^\d{1,5}\.\d{1,3}$/.test(device)) return wrong(kind, "device", `"${device}"`);
  return { kind: "replay", file, ...(device !== undefined && { device }), ...(speed && { speed }) };
}

function parseBridge(text: string): SerialBridge | undefined {
  if (text === "echo" || text === "pty") return text;
  const port = /^tcp:(\d{1,5})$/.exec(text)?.[1];
  return port === undefined || Number(port) < 1 || Number(port) > 65_535 ? undefined : { tcp: Number(port) };
}

function diskContent(
  kind: GadgetKind,
  values: ReadonlyMap<string, string>,
): DiskContent | GadgetSpecificationError {
  const file = values.get("file");
  const size = values.get("size");
  if (file !== undefined && size !== undefined) {
    return new GadgetSpecificationError(
      "the disk has a file, which has its own size; leave out file or size",
    );
  }
  if (file === "") return wrong(kind, "file", "empty");
  if (file !== undefined) return { file };
  const bytes = parseByteSize(size ?? DEFAULT_SIZE);
  if (bytes === undefined) return wrong(kind, "size", `"${size}"`);
  if (bytes < BLOCK) return wrong(kind, "size", `${bytes} bytes, less than a block of ${BLOCK}`);
  return { size: bytes };
}

function wrong(kind: GadgetKind, option: string, found: string): GadgetSpecificationError {
  const allowed = kind.options.find((candidate) => candidate.name === option)!.values;
  return new GadgetSpecificationError(
    `the option ${option} of the ${kind.name} is ${found}; allowed: ${allowed}`,
  );
}
