import { ENDPOINT_SLOTS, endpointSlot, slotAddress } from "./endpoint-slot.ts";
import { isIn, TransferStatus } from "./urb.ts";

/** Statuses of the waist, `TransferStatus`. */
const STATUSES = Object.keys(TransferStatus).length;
/** Bucket 0 is below a microsecond, bucket n below 2^n, the last one everything from 2^22 us (4 s) on. */
const BUCKETS = 24;

const { ok } = TransferStatus;

/** Places in the block, in words of 8 bytes. */
const SUBMITTED = 0;
const BYTES_IN = 1;
const BYTES_OUT = 2;
/** Of those that ended well nobody counts but their endpoint. */
const BY_STATUS = 3;
const HISTOGRAMS = BY_STATUS + STATUSES;
const WORDS = HISTOGRAMS + ENDPOINT_SLOTS * BUCKETS;

/** What a session has carried so far. */
export interface TransferFigures {
  /** URBs that have ended, refused ones included. */
  readonly urbs: number;
  readonly inFlight: number;
  /** Bytes from the device, and to it. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** URBs that did not end well, by `TransferStatus`; only those that occurred. */
  readonly errors: Readonly<Partial<Record<keyof typeof TransferStatus, number>>>;
  /** Only endpoints that were used. */
  readonly endpoints: readonly EndpointFigures[];
}

export interface EndpointFigures {
  /** With the direction in bit 7. */
  readonly address: number;
  readonly urbs: number;
  /**
   * URBs by how long they took here, from the bytes of the request to the answer: `[n]` is below 2^n us and not below
   * half of it; the last one is open. Without empty buckets at the end.
   */
  readonly latency: readonly number[];
}

/**
 * Counts the transfers of one session in a block of shared memory: the session writes it, and whoever looks reads
 * it, from any thread. A figure is a double, which is written whole.
 */
export class TransferCounters {
  readonly block: SharedArrayBuffer;
  readonly #words: Float64Array;

  /** A new block, or a look at that of a session. */
  constructor(block = new SharedArrayBuffer(WORDS * Float64Array.BYTES_PER_ELEMENT)) {
    this.block = block;
    this.#words = new Float64Array(block);
  }

  submitted(): void {
    this.#words[SUBMITTED]! += 1;
  }

  /** `tookUs` is a whole number: a fraction would be an object on its way here. */
  ended(endpoint: number, status: TransferStatus, bytes: number, tookUs: number): void {
    const words = this.#words;
    words[isIn(endpoint) ? BYTES_IN : BYTES_OUT]! += bytes;
    if (status !== ok) words[BY_STATUS + status]! += 1;
    // 2^n has n + 1 bits; 0 has none.
    const bits = 32 - Math.clz32(tookUs);
    words[histogramOf(endpointSlot(endpoint)) + Math.min(bits, BUCKETS - 1)]! += 1;
  }

  /** The figures at this moment; while transfers run, one may be ahead of another. */
  read(): TransferFigures {
    const words = this.#words.slice();
    const errors: Partial<Record<keyof typeof TransferStatus, number>> = {};
    for (const [name, status] of Object.entries(TransferStatus)) {
      const count = words[BY_STATUS + status]!;
      if (count > 0) errors[name as keyof typeof TransferStatus] = count;
    }
    let urbs = 0;
    const endpoints: EndpointFigures[] = [];
    for (let slot = 0; slot < ENDPOINT_SLOTS; slot++) {
      const latency = Array.from(words.subarray(histogramOf(slot), histogramOf(slot + 1)));
      while (latency.at(-1) === 0) latency.pop();
      if (latency.length === 0) continue;
      const used = latency.reduce((sum, count) => sum + count, 0);
      urbs += used;
      endpoints.push({ address: slotAddress(slot), urbs: used, latency });
    }
    return {
      urbs,
      inFlight: Math.max(words[SUBMITTED]! - urbs, 0),
      bytesIn: words[BYTES_IN]!,
      bytesOut: words[BYTES_OUT]!,
      errors,
      endpoints,
    };
  }
}

function histogramOf(slot: number): number {
  return HISTOGRAMS + slot * BUCKETS;
}
