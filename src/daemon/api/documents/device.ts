import { Type } from "@sinclair/typebox";
import { EVENT_KINDS } from "../../device-event.ts";
import { HARDWARE_STATES, type HardwareState } from "../../hardware/hardware-state.ts";
import { BusId, Byte, Count, document, Hex4, oneOf, plain, Time } from "./document.ts";

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
