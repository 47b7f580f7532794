import { type TProperties, type TSchema, Type } from "@sinclair/typebox";
import { ARRIVALS, type Arrivals } from "../../hardware/device-watch.ts";
import { REFUSAL_KINDS, type RefusalFigures } from "../../ring/refusal-counts.ts";
import type { ErrorFigures } from "../../usb/transfer-figures.ts";
import { TransferStatus } from "../../usb/urb.ts";
import { COMMAND_WORDS_MAX } from "../auto/command-words.ts";
import type { Watching } from "../auto/host-watch.ts";
import { EVENT_KINDS } from "../device-event.ts";
import { HARDWARE_STATES, type HardwareState } from "../hardware/hardware-state.ts";
import { USB_BACKENDS, type UsbBackendName } from "../hardware/usb-backend.ts";
import { DEVICES_MAX } from "../state/wishes.ts";

/**
 * The JSON documents of the control API. A titled one becomes a component of the OpenAPI document under its title.
 * Nothing but what is named here is taken or given.
 */
function document<P extends TProperties>(title: string, properties: P, about: { description?: string } = {}) {
  return Type.Object(properties, { title, ...about, additionalProperties: false });
}

function plain<P extends TProperties>(properties: P, about: { description?: string } = {}) {
  return Type.Object(properties, { ...about, additionalProperties: false });
}

function oneOf<const V extends string>(...values: readonly V[]) {
  return Type.Unsafe<V>(Type.Union(values.map((value) => Type.Literal(value))));
}

const Count = Type.Integer({ minimum: 0 });
const Byte = Type.Integer({ minimum: 0, maximum: 255 });
const Time = Type.String({ description: "ISO 8601", examples: ["2026-01-31T12:00:00.000Z"] });
const Hex4 = Type.String({ pattern: "^[0-9a-f]{4}$", examples: ["0525"] });
const BusId = Type.String({ examples: ["zero"] });

/** Of any failure, whatever its status. */
export const ErrorBody = document(
  "Error",
  {
    code: Type.String({ description: "stable; a heading of docs/errors.md", examples: ["NOT_FOUND"] }),
    message: Type.String({ description: "what happened, why, and what to do next" }),
  },
  { description: "The one shape of every failure." },
);

export const DeviceIdentity = document("DeviceIdentity", {
  busid: BusId,
  vid: Type.Optional(Hex4),
  pid: Type.Optional(Hex4),
  speed: Type.Optional(Type.String({ examples: ["high"] })),
});

export const DeviceEvent = document("DeviceEvent", {
  sequence: Type.Integer({ description: "one more than that of the event before; also the id of the push" }),
  time: Time,
  kind: oneOf(...EVENT_KINDS),
  device: Type.Optional(DeviceIdentity),
  peer: Type.Optional(Type.String({ description: "who has it, had it or wanted it" })),
  session: Type.Optional(Type.String()),
  port: Type.Optional(Count),
  code: Type.Optional(Type.String({ description: "a heading of docs/errors.md" })),
  reason: Type.Optional(Type.String()),
});

const STATUS_NAMES = Object.keys(TransferStatus) as (keyof typeof TransferStatus)[];

const Microseconds = Type.Number({ minimum: 0, description: "at most a sixteenth too high" });

export const Latency = document(
  "Latency",
  { p50Us: Microseconds, p99Us: Microseconds, p999Us: Microseconds },
  { description: "From request to answer as this side sees them; 0 if there were none." },
);

const Errors = Type.Unsafe<ErrorFigures>(
  Type.Object(Object.fromEntries(STATUS_NAMES.map((name) => [name, Type.Optional(Count)])), {
    description: "urbs that did not end well, by status; only those that occurred",
    additionalProperties: false,
  }),
);
const EndpointAddress = Type.Integer({
  minimum: 0,
  maximum: 255,
  description: "of an endpoint, with the direction in bit 7",
});

export const TransferFigures = document(
  "TransferFigures",
  {
    urbs: Type.Integer({ minimum: 0, description: "that have ended, also for endpoints that there are not" }),
    inFlight: Count,
    bytesIn: Count,
    bytesOut: Count,
    errors: Errors,
    latency: Latency,
    endpoints: Type.Array(
      plain({
        address: EndpointAddress,
        urbs: Count,
        bytes: Count,
        errors: Errors,
        latency: Latency,
        tookUs: Type.Number({ minimum: 0, description: "the latencies of all of them together" }),
        histogram: Type.Array(Count, {
          description: "[n] took less than 2^n us and not less than half of it; [27] is open",
        }),
      }),
      { description: "that were used, of those that the device has" },
    ),
  },
  { description: "What a device has carried." },
);

const PerSecond = Type.Number({ minimum: 0 });
const Failures = Type.Number({ minimum: 0, description: "without those that the guest took back" });

export const Figures = document(
  "Figures",
  {
    time: Time,
    periodMs: Type.Integer({ minimum: 0, description: "that `now` of each device tells of" }),
    devices: Type.Array(
      document("DeviceFigures", {
        device: DeviceIdentity,
        session: Type.Optional(Type.String({ description: "of a host", examples: ["s1"] })),
        port: Type.Optional(Type.Integer({ minimum: 0, description: "of an agent" })),
        peer: Type.String({ description: "who has it, or whose it is", examples: ["tcp:192.0.2.7:40112"] }),
        link: Type.String({ description: "what carries it", examples: ["tcp"] }),
        since: Time,
        now: document("Traffic", {
          urbsPerSecond: PerSecond,
          bytesInPerSecond: PerSecond,
          bytesOutPerSecond: PerSecond,
          errorsPerSecond: Failures,
          latency: Latency,
          endpoints: Type.Array(
            plain({
              address: EndpointAddress,
              urbsPerSecond: PerSecond,
              bytesPerSecond: PerSecond,
              errorsPerSecond: Failures,
              latency: Latency,
            }),
            { description: "where something has ended in the period" },
          ),
        }),
        total: TransferFigures,
        problems: Type.Array(
          plain({
            address: Type.Optional(EndpointAddress),
            status: oneOf(...STATUS_NAMES.filter((name) => name !== "ok")),
            urbs: Count,
            text: Type.String({
              description: "for people",
              examples: ['2 URBs of endpoint 1 IN ended with "stall": the device refuses the request, ...'],
            }),
          }),
          {
            description:
              "the errors of `total` in words; without `address` those of endpoints that there are not",
          },
        ),
      }),
    ),
  },
  { description: "What devices carry that somebody has." },
);

export const Health = document("Health", {
  status: Type.Literal("ok"),
  role: oneOf("host", "agent"),
  version: Type.String(),
  since: Time,
  checks: Type.Array(Type.String(), { description: "what was looked at, in words" }),
});

export const Device = document("Device", {
  busid: BusId,
  vid: Type.Optional(Hex4),
  pid: Type.Optional(Hex4),
  speed: Type.String({ examples: ["high"] }),
  bcdDevice: Type.Optional(Hex4),
  bDeviceClass: Byte,
  bDeviceSubClass: Byte,
  bDeviceProtocol: Byte,
  interfaces: Type.Array(
    plain({ bInterfaceClass: Byte, bInterfaceSubClass: Byte, bInterfaceProtocol: Byte }),
    { description: "of its first configuration" },
  ),
  state: Type.Unsafe<HardwareState>(
    Type.Union(
      HARDWARE_STATES.map((state) => Type.Literal(state)),
      {
        description:
          "free, attached: shared, without and with a guest; not-shared, in-use: a real device that is not shared, which " +
          "drivers of this machine have in the latter case (or, if `because` is there, a program that keeps it from guests); " +
          "imported: plugged in elsewhere and attached here",
      },
    ),
  ),
  manufacturer: Type.Optional(Type.String()),
  product: Type.Optional(Type.String()),
  serial: Type.Optional(Type.String()),
  name: Type.Optional(
    Type.String({ description: "vendor and product as the list of USB IDs of this machine has them" }),
  ),
  gadget: Type.Optional(Type.String({ description: "the kind, of a simulated device", examples: ["zero"] })),
  drivers: Type.Optional(Type.Array(Type.String(), { description: "of this machine, which have it" })),
  because: Type.Optional(
    Type.String({
      description: "why a real device is shared",
      examples: ["bound", "--device 1-2", "rule r1"],
    }),
  ),
  obstacle: Type.Optional(
    Type.String({ description: "why it cannot be had although it is to be shared, and what to do" }),
  ),
  session: Type.Optional(Type.String({ description: "which has it" })),
  peer: Type.Optional(Type.String({ description: "who has it" })),
});

const RingUse = {
  size: Type.Integer({ minimum: 0, description: "bytes" }),
  used: Type.Integer({ minimum: 0, description: "bytes in it now, that the reading side has not let go of" }),
};
const RingPeak = Type.Integer({ minimum: 0, description: "the most of `used` that was found" });
export const RingFigures = document(
  "RingFigures",
  {
    hostEpoch: Type.Integer({ minimum: 0, description: "which life of the host" }),
    guestEpoch: Type.Integer({ minimum: 0, description: "which session of the guest" }),
    urbs: Type.Integer({ minimum: 0, description: "that have ended" }),
    inFlight: Count,
    bytesIn: Count,
    bytesOut: Count,
    incoming: plain({ ...RingUse, peak: RingPeak }),
    outgoing: plain(RingUse),
    waiting: Type.Integer({ minimum: 0, description: "messages that wait for room in the outgoing ring" }),
    waited: Type.Integer({ minimum: 0, description: "messages that ever had to" }),
    slots: plain({
      count: Count,
      size: Type.Integer({ minimum: 0, description: "bytes of one" }),
      used: Type.Integer({
        minimum: 0,
        description: "by transfers now; at the host, what the guest told last, once a second",
      }),
      peak: RingPeak,
    }),
    latency: Latency,
    refusals: Type.Unsafe<RefusalFigures>(
      Type.Object(Object.fromEntries(REFUSAL_KINDS.map((kind) => [kind, Type.Optional(Count)])), {
        description: "requests that the device was not asked for, by reason; only those that occurred",
        additionalProperties: false,
      }),
    ),
    copiesPerUrb: Type.Number({
      minimum: 0,
      description: "how often this side has copied the data of a URB, on average over those that have ended",
    }),
  },
  { description: "Shared memory, as one of the two sides that have it sees it." },
);

export const RingThread = document("RingThread", {
  lookUs: Type.Integer({
    minimum: 0,
    description: "microseconds that a side of a ring looks for work before it sleeps",
  }),
  cpu: Type.Optional(
    Type.Integer({ minimum: 0, description: "the processor that the thread of the rings stays on" }),
  ),
});

export const RealDevices = document("RealDevices", {
  backend: Type.Unsafe<UsbBackendName>({
    ...oneOf(...USB_BACKENDS),
    description: "by what the devices of this machine are used",
  }),
  version: Type.Optional(Type.String({ description: "of libusb", examples: ["1.0.28"] })),
  arrivals: Type.Unsafe<Arrivals | "unknown">({
    ...oneOf(...ARRIVALS, "unknown"),
    description:
      "how it is known what is plugged in: the kernel tells, libusb tells, or it is looked again and again; " +
      "unknown where none of that is possible",
  }),
});

export const Session = document("Session", {
  id: Type.String({ examples: ["s1"] }),
  peer: Type.String({ examples: ["tcp:192.0.2.7:40112"] }),
  link: Type.String({ description: "what carries it", examples: ["tcp"] }),
  since: Time,
  device: Type.Optional(DeviceIdentity),
  counters: Type.Optional(TransferFigures),
  ring: Type.Optional(RingFigures),
});

export const Plugged = document("Plugged", {
  busid: BusId,
  note: Type.Optional(Type.String({ description: "what a person has to know to use it" })),
});

export const GadgetKinds = document("GadgetKinds", {
  kinds: Type.Array(
    plain({
      name: Type.String({ examples: ["zero"] }),
      summary: Type.String(),
      options: Type.Array(
        plain({
          name: Type.String({ examples: ["speed"] }),
          values: Type.String({
            description: "what may stand behind its =, for a person; empty for an option that stands alone",
          }),
          description: Type.String(),
        }),
      ),
    }),
  ),
});

export const Typed = document("Typed", {
  busid: BusId,
  keys: Type.Integer({ minimum: 0, description: "that the guest will read, one after the other" }),
});

export const Images = document("Images", {
  folder: Type.String({ examples: ["/home/user"] }),
  parent: Type.Optional(Type.String({ description: "the folder above" })),
  folders: Type.Array(Type.String(), { description: "names of the folders in it" }),
  images: Type.Array(
    plain({ name: Type.String({ examples: ["stick.img"] }), size: Type.Integer({ minimum: 0 }) }),
    { description: "files that a disk can have: whole blocks of 512 bytes, and no comma in the name" },
  ),
  more: Type.Boolean({ description: "there are more than are named" }),
});

export const WantedDevice = document("WantedDevice", {
  by: oneOf("bind", "device"),
  device: Type.String({
    description: "by what it is known, or as the host was told to share it",
    examples: ["0525:a4a0:4C530001", "0525:a4a0 at 1-2"],
  }),
  vid: Type.Optional(Hex4),
  pid: Type.Optional(Hex4),
  serial: Type.Optional(Type.String()),
  busid: Type.Optional(BusId),
  name: Type.Optional(Type.String({ description: "what it called itself when it was bound" })),
  busids: Type.Array(Type.String(), { description: "where such a device is plugged in; empty if it is not" }),
});

export const Binds = document("Binds", {
  binds: Type.Array(WantedDevice),
  warnings: Type.Array(Type.String(), { description: "devices that only their ports tell apart" }),
});

export const Bound = document("Bound", {
  busid: Type.Optional(BusId),
  identity: Type.String({ description: "by what it is known again", examples: ["0525:a4a0:4C530001"] }),
  warnings: Type.Array(Type.String(), { description: "what a person has to know" }),
});

export const Unbound = document("Unbound", {
  unbound: Type.Array(
    plain({
      busid: Type.Optional(BusId),
      identity: Type.String(),
      stillShared: Type.Optional(Type.String({ description: "why it is shared all the same" })),
    }),
  ),
});

export const Reloaded = document("Reloaded", {
  changed: Type.Array(Type.String(), { description: "in words, for people; empty if nothing was" }),
  restart: Type.Array(Type.String(), { description: "keys whose new value holds after a restart" }),
});

export const Rule = document("Rule", {
  id: Type.String({ examples: ["r1"] }),
  rule: Type.String({ examples: ["allow device=0781:5581 client=192.168.7.0/24"] }),
  source: oneOf("state", "configuration"),
});

export const Rules = document("Rules", {
  rules: Type.Array(Rule, { description: "in the order in which they are asked" }),
});

const running = {
  version: Type.String({ examples: ["0.1.0"] }),
  pid: Count,
  since: Time,
  sequence: Type.Integer({ description: "of the last event: resume behind it, and nothing is missed" }),
};

export const HostState = document("HostState", {
  role: Type.Literal("host"),
  ...running,
  addresses: Type.Array(Type.String(), { description: "where devices are shared" }),
  guests: Type.Array(Type.String(), { description: "waiting guests that this host dials" }),
  devices: Type.Array(Device),
  binds: Type.Array(WantedDevice),
  sessions: Type.Array(Session),
  rules: Type.Array(Rule),
  stateFolder: Type.String({ description: "where rules and binds are kept" }),
  usb: RealDevices,
  ring: RingThread,
});

export const AttachedDevice = document("AttachedDevice", {
  port: Count,
  address: Type.String({ description: "the host" }),
  busid: BusId,
  sysfsName: Type.String({ examples: ["1-1"] }),
  node: Type.String({ examples: ["/dev/bus/usb/001/002"] }),
  dialledIn: Type.Boolean({ description: "it came over a connection that the host has made" }),
  wish: Type.Optional(Type.String({ description: "the id of the wish that keeps it attached" })),
  ring: Type.Optional(RingFigures),
});

export const Waiting = document("Waiting", {
  address: Type.String({ description: "where hosts are waited for" }),
  device: Type.Optional(Type.String()),
});

const Command = Type.Array(Type.String({ maxLength: 4096 }), {
  minItems: 1,
  maxItems: COMMAND_WORDS_MAX,
  description: "a program and its arguments; no shell reads them",
  examples: [["/usr/local/bin/flash", "--fast"]],
});
const WishId = Type.String({ examples: ["w1"] });

export const Wish = document(
  "Wish",
  {
    id: WishId,
    address: Type.String({ description: "the host" }),
    devices: Type.Array(Type.String(), { description: "what the one device may be named by" }),
    ports: Type.Object(
      { hs: Type.Optional(Count), ss: Type.Optional(Count) },
      { description: "its ports, by the hub", additionalProperties: false },
    ),
    busid: Type.Optional(Type.String({ description: "of the device that was attached last" })),
    onAttach: Type.Optional(Command),
    onDetach: Type.Optional(Command),
    state: oneOf("waiting", "attaching", "attached"),
    watching: Type.Unsafe<Watching>({
      ...oneOf("asking", "pushed", "polled", "unreachable"),
      description:
        "how the devices of the host are known: it tells them itself, or has to be asked again and again",
    }),
    port: Type.Optional(Type.Integer({ minimum: 0, description: "where its device is attached" })),
    reason: Type.Optional(Type.String({ description: "why it waits, for a person" })),
  },
  { description: "A device that is kept attached." },
);

export const WishAnswer = document("WishAnswer", {
  wish: Wish,
  device: Type.Optional(AttachedDevice),
});

export const AgentState = document("AgentState", {
  role: Type.Literal("agent"),
  ...running,
  devices: Type.Array(AttachedDevice),
  waiting: Type.Array(Waiting),
  wishes: Type.Array(Wish),
  ring: RingThread,
});

export const Port = document("Port", {
  port: Count,
  state: oneOf("attached", "attaching", "error"),
  speed: Type.String({ examples: ["high"] }),
  sysfsName: Type.Optional(Type.String()),
  node: Type.Optional(Type.String()),
  by: oneOf("agent", "other"),
  address: Type.Optional(Type.String()),
  busid: Type.Optional(BusId),
  wish: Type.Optional(Type.String({ description: "the id of the wish that keeps it attached" })),
});

export const Ports = document("Ports", {
  ports: Type.Array(Port),
  waiting: Type.Array(Waiting),
  wishes: Type.Array(Wish),
});

export const FreedPorts = document("FreedPorts", {
  ports: Type.Array(Count, { description: "that the agent has freed" }),
  wishes: Type.Array(WishId, { description: "that have ended with that" }),
});

/** What a client names: checked further where it is read. */
const AddressText = Type.String({ minLength: 1, maxLength: 1024, examples: ["tcp:192.0.2.7:3240"] });
const DeviceText = Type.String({ minLength: 1, maxLength: 256, examples: ["1-2"] });

export const AttachRequest = document("AttachRequest", { address: AddressText, device: DeviceText });
export const WaitRequest = document("WaitRequest", {
  address: AddressText,
  device: Type.Optional(DeviceText),
});
export const WishRequest = document("WishRequest", {
  address: AddressText,
  devices: Type.Array(DeviceText, {
    minItems: 1,
    maxItems: DEVICES_MAX,
    description:
      "what the one device may be named by, for example as application and as bootloader; the first one first",
  }),
  onAttach: Type.Optional(Command),
  onDetach: Type.Optional(Command),
});
export const PlugRequest = document("PlugRequest", {
  gadget: Type.String({ minLength: 1, maxLength: 4096, examples: ["zero,speed=super"] }),
});
export const TypeRequest = document("TypeRequest", {
  text: Type.String({
    minLength: 1,
    maxLength: 8192,
    description: "of the US keyboard layout: ASCII, tab and newline",
    examples: ["hello\n"],
  }),
});
export const BindRequest = document("BindRequest", {
  device: DeviceText,
  force: Type.Optional(Type.Boolean({ description: "also what this machine needs itself" })),
});
export const UnbindRequest = document("UnbindRequest", {
  device: Type.Optional(Type.String({ ...DeviceText, description: "every device, if it is left out" })),
});
/** Counted from 1 among the rules of the state. */
const Position = Type.Integer({ minimum: 1, maximum: 1_000 });

export const RuleRequest = document("RuleRequest", {
  rule: Type.String({ minLength: 1, maxLength: 1024, examples: ["allow device=0781:5581"] }),
  position: Type.Optional(Position),
});
export const MoveRequest = document("MoveRequest", { position: Position });
export const Nickname = document("Nickname", {
  name: Type.String({
    maxLength: 64,
    description: "a letter, then letters, digits and underscores",
    examples: ["scanner"],
  }),
  device: DeviceText,
});
export const Nicknames = document("Nicknames", { nicknames: Type.Array(Nickname) });
/** Of a request that needs no more than to be made. */
export const Nothing = document("Nothing", {});

export const SessionPath = plain({
  id: Type.String({ pattern: "^s[0-9]{1,15}$", examples: ["s1"] }),
});
export const RulePath = plain({ id: Type.String({ pattern: "^[rc][0-9]{1,9}$", examples: ["r1"] }) });
export const NicknamePath = plain({ name: Type.String({ maxLength: 64, examples: ["scanner"] }) });
export const BusIdPath = plain({ busid: Type.String({ minLength: 1, maxLength: 64, examples: ["zero"] }) });
export const ImagesQuery = plain({
  folder: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 4096,
      pattern: "^/",
      description: "that of the user whom the host runs as, if it is left out",
      examples: ["/"],
    }),
  ),
});
export const WishPath = plain({ id: Type.String({ pattern: "^w[0-9]{1,9}$", examples: ["w1"] }) });
export const PortPath = plain({ port: Type.String({ pattern: "^[0-9]{1,5}$", examples: ["0"] }) });

const KIND = `(${EVENT_KINDS.join("|")})`;
export const EventQuery = plain({
  kind: Type.Optional(
    Type.String({
      pattern: `^${KIND}(,${KIND})*$`,
      maxLength: 200,
      description: `only these kinds, with commas between: ${EVENT_KINDS.join(", ")}`,
      examples: ["attached,detached"],
    }),
  ),
});

export const CapturePath = plain({ id: Type.String({ pattern: "^c[0-9]{1,9}$", examples: ["c1"] }) });
const ENDPOINT = "[08]?[0-9a-f]";
export const CaptureQuery = plain({
  endpoint: Type.Optional(
    Type.String({
      pattern: `^${ENDPOINT}(,${ENDPOINT})*$`,
      maxLength: 200,
      description:
        "only these endpoint addresses in hexadecimal, with the direction in bit 7; 0 is the control endpoint in both directions",
      examples: ["0,81,2"],
    }),
  ),
  snaplen: Type.Optional(
    Type.String({
      pattern: "^[1-9][0-9]{1,5}$",
      description:
        "bytes of each packet that are kept, of which its header takes 64; 262144 at most and by default",
      examples: ["128"],
    }),
  ),
});

/** Answers of a route: the good one, and the one shape of every failure. */
export function answers<S extends TSchema>(schema: S, description: string): Answers<S> {
  return { 200: { ...schema, description }, "4xx": ErrorBody, "5xx": ErrorBody };
}

interface Answers<S extends TSchema> {
  readonly 200: S;
  readonly "4xx": typeof ErrorBody;
  readonly "5xx": typeof ErrorBody;
}

/** What a schema allows, from hands that do not change it any more. */
export type Given<T> = T extends object ? { readonly [K in keyof T]: Given<T[K]> } : T;
