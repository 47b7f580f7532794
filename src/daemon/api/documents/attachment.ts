import { Type } from "@sinclair/typebox";
import { COMMAND_WORDS_MAX } from "../../auto/command-words.ts";
import type { Watching } from "../../auto/host-watch.ts";
import { DEVICES_MAX } from "../../state/wishes.ts";
import { BusId, Count, DeviceText, document, oneOf, plain, running } from "./document.ts";
import { RingFigures } from "./figures.ts";
import { RingThread } from "./host.ts";

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

export const WishPath = plain({ id: Type.String({ pattern: "^w[0-9]{1,9}$", examples: ["w1"] }) });

export const PortPath = plain({ port: Type.String({ pattern: "^[0-9]{1,5}$", examples: ["0"] }) });
