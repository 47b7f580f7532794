import { LATENCY_BUCKETS } from "./latency-histogram.ts";
import { TransferStatus } from "./urb.ts";

/*
 * The shared memory of `TransferCounters`, in words of 8 bytes: a head, and a lane for each endpoint. The last lane is of
 * those that the device does not have, whatever a peer asks for.
 */

/** Places in the head; behind it stand the addresses of the lanes. */
export const SUBMITTED = 0;
export const LANES = 1;
export const HEAD_WORDS = 2;

/** Places in a lane. Those of statuses and buckets begin there; of those that ended well only the buckets count. */
export const BYTES = 0;
/** All together, in ticks of `latencyTicks`. */
export const TOOK = 1;
/** URBs that the device was not asked for, and that took no time. */
export const REFUSED = 2;
export const BY_STATUS = 3;
export const LATENCY: number = BY_STATUS + Object.keys(TransferStatus).length;
export const LANE_WORDS: number = LATENCY + LATENCY_BUCKETS;

export function laneStart(lane: number, lanes: number): number {
  return HEAD_WORDS + lanes + lane * LANE_WORDS;
}
