import { Speed } from "../usb/speed.ts";
import { STRING_UNITS_MAX } from "../usb/string-descriptor.ts";
import type { Gadget } from "./gadget.ts";
import type { GadgetIdentity } from "./identity.ts";
import { Keyboard, refuseText } from "./keyboard.ts";
import type { Pattern } from "./pattern.ts";
import { Zero } from "./zero.ts";

/** A gadget to be made. Plain data: it may travel between threads and processes. */
export type GadgetSpecification =
  | (GadgetIdentity & { readonly kind: "zero"; readonly speed: Speed; readonly pattern: Pattern })
  | (GadgetIdentity & { readonly kind: "keyboard"; readonly speed: Speed; readonly text?: string });

/** Why a specification cannot be used, and what can be written instead. */
export class GadgetSpecificationError {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

export interface GadgetOption {
  readonly name: string;
  /** What may stand behind the `=`, for a person. */
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

const IDENTITY_OPTIONS: readonly GadgetOption[] = [
  { name: "vid", values: "4 hexadecimal digits", description: "vendor ID (idVendor)" },
  { name: "pid", values: "4 hexadecimal digits", description: "product ID (idProduct)" },
  {
    name: "serial",
    values: `text without commas, at most ${STRING_UNITS_MAX} characters`,
    description: "serial number; none by default",
  },
];

function speedOption(first: Speed, byDefault: string): GadgetOption {
  const names = Array.from(SPEEDS).filter(([, speed]) => speed >= first);
  return {
    name: "speed",
    values: names.map(([name]) => name).join("|"),
    description: `bus speed; ${byDefault} by default`,
  };
}

export const GADGET_KINDS: readonly GadgetKind[] = [
  {
    name: "zero",
    summary: "source, sink and loopback of every transfer type: Linux' gadget zero, for its usbtest module",
    options: [
      speedOption(Speed.full, "high"),
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
      speedOption(Speed.low, "full"),
      ...IDENTITY_OPTIONS,
      {
        name: "text",
        values: "ASCII text without commas",
        description: "typed once, as soon as the computer it is attached to reads the keyboard",
      },
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
    if (!kind.options.some((candidate) => candidate.name === option)) {
      const known = kind.options.map((candidate) => candidate.name).join(", ");
      return new GadgetSpecificationError(`the ${name} has no option "${option}"; it has: ${known}`);
    }
    if (equals < 0) return wrong(kind, option, "no value");
    if (values.has(option)) {
      return new GadgetSpecificationError(`the option ${option} of the ${name} is given twice; keep one`);
    }
    values.set(option, assignment.slice(equals + 1));
  }
  return build(kind, values);
}

export function createGadget(specification: GadgetSpecification): Gadget {
  switch (specification.kind) {
    case "zero":
      return new Zero(specification);
    case "keyboard":
      return new Keyboard(specification);
  }
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
  const speedName = values.get("speed") ?? (kind.name === "zero" ? "high" : "full");
  const speed = SPEEDS.get(speedName);
  if (speed === undefined || (kind.name === "zero" && speed === Speed.low)) {
    return wrong(kind, "speed", `"${speedName}"`);
  }
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
  }
}

function wrong(kind: GadgetKind, option: string, found: string): GadgetSpecificationError {
  const allowed = kind.options.find((candidate) => candidate.name === option)!.values;
  return new GadgetSpecificationError(
    `the option ${option} of the ${kind.name} is ${found}; allowed: ${allowed}`,
  );
}
