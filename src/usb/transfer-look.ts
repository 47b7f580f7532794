import { doublingsOf, percentilesOf, TICKS_PER_US } from "./latency-histogram.ts";
import {
  BY_STATUS,
  BYTES,
  HEAD_WORDS,
  LANE_WORDS,
  LANES,
  LATENCY,
  laneStart,
  REFUSED,
  SUBMITTED,
  TOOK,
} from "./transfer-block.ts";
import type { EndpointFigures, ErrorFigures, TransferFigures } from "./transfer-figures.ts";
import { isIn, TransferStatus } from "./urb.ts";

/** What stood in the block of a session at one moment, or what was added to it between two of them. */
export class TransferLook {
  readonly #words: Float64Array;

  /** A copy, which nobody writes any more. */
  constructor(words: Float64Array) {
    this.#words = words;
  }

  /** What has happened from an earlier look at the same block until this one. */
  since(before: TransferLook): TransferLook {
    const lanes = this.#words[LANES]!;
    const words = this.#words.slice();
    for (let at = laneStart(0, lanes); at < words.length; at++) words[at]! -= before.#words[at]!;
    // So that those in flight are those of this moment.
    words[SUBMITTED]! -= before.#ended;
    return new TransferLook(words);
  }

  get figures(): TransferFigures {
    const lanes = Array.from(this.#lanes());
    const all = new Float64Array(LANE_WORDS);
    let bytesIn = 0;
    let bytesOut = 0;
    for (const { address, words } of lanes) {
      for (let at = 0; at < LANE_WORDS; at++) all[at]! += words[at]!;
      if (address !== undefined && isIn(address)) bytesIn += words[BYTES]!;
      else bytesOut += words[BYTES]!;
    }
    const urbs = urbsOf(all);
    return {
      urbs,
      inFlight: Math.max(this.#words[SUBMITTED]! - urbs, 0),
      bytesIn,
      bytesOut,
      errors: errorsOf(all),
      latency: percentilesOf(all.subarray(LATENCY)),
      endpoints: lanes.flatMap(({ address, words }) =>
        address === undefined || urbsOf(words) === 0 ? [] : [endpointFigures(address, words)],
      ),
    };
  }

  get #ended(): number {
    let urbs = 0;
    for (const { words } of this.#lanes()) urbs += urbsOf(words);
    return urbs;
  }

  /** The last one has no address. */
  *#lanes(): Iterable<{ readonly address: number | undefined; readonly words: Float64Array }> {
    const words = this.#words;
    const lanes = words[LANES]!;
    for (let lane = 0; lane < lanes; lane++) {
      yield {
        address: lane < lanes - 1 ? words[HEAD_WORDS + lane]! : undefined,
        words: words.subarray(laneStart(lane, lanes), laneStart(lane + 1, lanes)),
      };
    }
  }
}

function endpointFigures(address: number, words: Float64Array): EndpointFigures {
  const latency = words.subarray(LATENCY);
  return {
    address,
    urbs: urbsOf(words),
    bytes: words[BYTES]!,
    errors: errorsOf(words),
    latency: percentilesOf(latency),
    tookUs: words[TOOK]! / TICKS_PER_US,
    histogram: doublingsOf(latency),
  };
}

function urbsOf(words: Float64Array): number {
  return words.subarray(LATENCY).reduce((sum, count) => sum + count, words[REFUSED]!);
}

function errorsOf(words: Float64Array): ErrorFigures {
  const errors: Partial<Record<keyof typeof TransferStatus, number>> = {};
  for (const [name, status] of Object.entries(TransferStatus)) {
    const count = words[BY_STATUS + status]!;
    if (count > 0) errors[name as keyof typeof TransferStatus] = count;
  }
  return errors;
}
