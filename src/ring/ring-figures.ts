import type { Percentiles } from "../usb/latency-histogram.ts";
import type { Channel } from "./channel.ts";
import type { RefusalFigures } from "./refusal-counts.ts";
import type { RingStats } from "./ring-stats.ts";

/** What one side knows of its session, at this moment. */
export interface RingFigures {
  /** Which life of the host, and which session of the guest. */
  readonly hostEpoch: number;
  readonly guestEpoch: number;
  /** URBs that have ended here, and that have not. */
  readonly urbs: number;
  readonly inFlight: number;
  /** From the device, and to it. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** `peak`: the most that was found waiting. What of the outgoing ring waits at most, only the other side sees. */
  readonly incoming: RingUse & { readonly peak: number };
  readonly outgoing: RingUse;
  /** Messages that wait for room in the outgoing ring, and how many ever had to. */
  readonly waiting: number;
  readonly waited: number;
  readonly slots: SlotUse;
  readonly latency: Percentiles;
  /** URBs that the device was not asked for. */
  readonly refusals: RefusalFigures;
  /** How often this side has copied the data of a URB, on average over those that have ended. */
  readonly copiesPerUrb: number;
}

/** Bytes of one ring. */
export interface RingUse {
  readonly size: number;
  readonly used: number;
}

export interface SlotUse {
  readonly count: number;
  /** Bytes of one. */
  readonly size: number;
  /** At the host, what the guest has told last. */
  readonly used: number;
  readonly peak: number;
}

/** Figures of a session, of which `rest` only its side knows. */
export function ringFigures(
  channel: Channel,
  stats: RingStats,
  rest: Pick<RingFigures, "hostEpoch" | "guestEpoch" | "inFlight" | "slots">,
): RingFigures {
  const { completed } = stats;
  return {
    ...rest,
    urbs: completed,
    bytesIn: stats.bytesIn,
    bytesOut: stats.bytesOut,
    ...channel.use,
    waiting: channel.waiting,
    waited: stats.ringFull,
    latency: stats.latency.percentiles,
    refusals: stats.refusals.read(),
    copiesPerUrb: completed === 0 ? 0 : stats.copies / completed,
  };
}
