import type { Percentiles } from "../../usb/latency-histogram.ts";
import type { TransferFigures } from "../../usb/transfer-figures.ts";
import type { TransferLook } from "../../usb/transfer-look.ts";
import type { CarriedDevice } from "./carried-device.ts";
import { failures, type Problem, problemsOf } from "./problem.ts";

/** What was carried in the last period. */
export interface Traffic {
  readonly urbsPerSecond: number;
  readonly bytesInPerSecond: number;
  readonly bytesOutPerSecond: number;
  /** Without those that the guest took back. */
  readonly errorsPerSecond: number;
  /** Of the URBs that ended in the period. */
  readonly latency: Percentiles;
  readonly endpoints: readonly EndpointTraffic[];
}

export interface EndpointTraffic {
  /** With the direction in bit 7. */
  readonly address: number;
  readonly urbsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly errorsPerSecond: number;
  readonly latency: Percentiles;
}

/** A device that somebody has, and what it carries. */
export interface DeviceFigures extends Omit<CarriedDevice, "counters"> {
  readonly now: Traffic;
  /** Since it was attached. */
  readonly total: TransferFigures;
  readonly problems: readonly Problem[];
}

/** `before`: what was seen a period ago; nothing if it was not there yet. */
export function deviceFigures(
  carried: CarriedDevice,
  look: TransferLook,
  before: TransferLook | undefined,
  seconds: number,
): DeviceFigures {
  const { counters: _, ...whose } = carried;
  const total = look.figures;
  const last = before === undefined ? total : look.since(before).figures;
  const perSecond = (count: number): number => Math.round((10 * count) / seconds) / 10;
  return {
    ...whose,
    now: {
      urbsPerSecond: perSecond(last.urbs),
      bytesInPerSecond: perSecond(last.bytesIn),
      bytesOutPerSecond: perSecond(last.bytesOut),
      errorsPerSecond: perSecond(failures(last.errors)),
      latency: last.latency,
      endpoints: last.endpoints.map(({ address, urbs, bytes, errors, latency }) => ({
        address,
        urbsPerSecond: perSecond(urbs),
        bytesPerSecond: perSecond(bytes),
        errorsPerSecond: perSecond(failures(errors)),
        latency,
      })),
    },
    total,
    problems: problemsOf(total),
  };
}
