import { Type } from "@sinclair/typebox";
import { REFUSAL_KINDS, type RefusalFigures } from "../../../ring/refusal-counts.ts";
import type { ErrorFigures } from "../../../usb/transfer-figures.ts";
import { TransferStatus } from "../../../usb/urb.ts";
import { DeviceIdentity } from "./device.ts";
import { Count, document, oneOf, plain, Time } from "./document.ts";

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
