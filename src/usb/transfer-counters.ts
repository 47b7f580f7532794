import { ENDPOINT_SLOTS, endpointSlot } from "./endpoint-slot.ts";
import { latencyBucket } from "./latency-histogram.ts";
import * as layout from "./transfer-block.ts";
import type { TransferFigures } from "./transfer-figures.ts";
import { TransferLook } from "./transfer-look.ts";
import { TransferStatus } from "./urb.ts";

const { ok } = TransferStatus;
const { SUBMITTED, LANES, HEAD_WORDS, BYTES, TOOK, REFUSED, BY_STATUS, LATENCY, laneStart } = layout;

/**
 * Counts the transfers of one session in a block of shared memory: the session writes it, and whoever looks reads
 * it, from any thread. A figure is a double, which is written whole.
 */
export class TransferCounters {
  readonly block: SharedArrayBuffer;
  readonly #words: Float64Array;
  /** Where the lane of each endpoint begins. */
  readonly #lanes = new Int32Array(ENDPOINT_SLOTS);

  /** A look at the block of a session. */
  constructor(shared: SharedArrayBuffer) {
    this.block = shared;
    this.#words = new Float64Array(shared);
    const lanes = this.#words[LANES]!;
    this.#lanes.fill(laneStart(lanes - 1, lanes));
    for (let lane = 0; lane < lanes - 1; lane++) {
      this.#lanes[endpointSlot(this.#words[HEAD_WORDS + lane]!)] = laneStart(lane, lanes);
    }
  }

  /** A new block for a device that has these endpoints, with the direction in bit 7, and endpoint 0. */
  static of(endpoints: Iterable<number>): TransferCounters {
    const addresses = Array.from(new Set([0x00, 0x80, ...endpoints])).toSorted((a, b) => a - b);
    const lanes = addresses.length + 1;
    const words = new Float64Array(
      new SharedArrayBuffer(laneStart(lanes, lanes) * Float64Array.BYTES_PER_ELEMENT),
    );
    words[LANES] = lanes;
    words.set(addresses, HEAD_WORDS);
    return new TransferCounters(words.buffer);
  }

  submitted(count = 1): void {
    this.#words[SUBMITTED]! += count;
  }

  /**
   * So many ended alike: `bytes` is what they moved in all, and each took `ticks`. That is a whole number, of `latencyTicks`: a
   * fraction would be an object on its way here.
   */
  ended(endpoint: number, status: TransferStatus, bytes: number, ticks: number, count = 1): void {
    const words = this.#words;
    const at = this.#lanes[endpointSlot(endpoint)]!;
    words[at + BYTES]! += bytes;
    words[at + TOOK]! += ticks * count;
    if (status !== ok) words[at + BY_STATUS + status]! += count;
    words[at + LATENCY + latencyBucket(ticks)]! += count;
  }

  /** One was answered without the device. */
  refused(endpoint: number, status: TransferStatus): void {
    const at = this.#lanes[endpointSlot(endpoint)]!;
    this.#words[at + BY_STATUS + status]! += 1;
    this.#words[at + REFUSED]! += 1;
  }

  /** The figures at this moment; while transfers run, one may be ahead of another. */
  look(): TransferLook {
    return new TransferLook(this.#words.slice());
  }

  read(): TransferFigures {
    return this.look().figures;
  }
}
