import { Type } from "@sinclair/typebox";
import { ARRIVALS, type Arrivals } from "../../../hardware/device-watch.ts";
import { USB_BACKENDS, type UsbBackendName } from "../../hardware/usb-backend.ts";
import { Device, DeviceIdentity } from "./device.ts";
import { BusId, DeviceText, document, Hex4, oneOf, plain, running, Time } from "./document.ts";
import { RingFigures, TransferFigures } from "./figures.ts";

export const Health = document("Health", {
  status: Type.Literal("ok"),
  role: oneOf("host", "agent"),
  version: Type.String(),
  since: Time,
  checks: Type.Array(Type.String(), { description: "what was looked at, in words" }),
});

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

export const SessionPath = plain({
  id: Type.String({ pattern: "^s[0-9]{1,15}$", examples: ["s1"] }),
});

export const RulePath = plain({ id: Type.String({ pattern: "^[rc][0-9]{1,9}$", examples: ["r1"] }) });

export const NicknamePath = plain({ name: Type.String({ maxLength: 64, examples: ["scanner"] }) });
