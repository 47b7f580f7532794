import type { Urb } from "./urb.ts";

/** The last URBs that are kept; at 8 numbers each, 4 MiB. */
const URBS = 1 << 16;

/** Numbers of one URB. */
const FIELDS = 8;

/** The life of one URB, by the clock of the loop that carried it. */
export interface TracedUrb {
  readonly session: number;
  readonly seqnum: number;
  /** With the direction in bit 7. */
  readonly endpoint: number;
  /** `TransferStatus`. */
  readonly status: number;
  /** Bytes that moved. */
  readonly actualLength: number;
  /** The last bytes of the request came. */
  readonly arrivedMs: number;
  /** The device had done with it. */
  readonly completedMs: number;
  /** The link had taken the answer. */
  readonly leftMs: number;
}

/** A URB whose answer has left, as its session knows it. */
export interface AnsweredUrb {
  /** Names it within its session while it is in flight. */
  readonly seqnum: number;
  readonly arrivedMs: number;
  readonly completedMs: number;
  readonly urb: Pick<Urb, "endpoint" | "status" | "actualLength">;
}

/** Where a session writes the lives of its URBs. */
export interface SessionTrace {
  readonly urbs: UrbTrace;
  /** Its number among the sessions that write there. */
  readonly session: number;
}

/**
 * Keeps the lives of the last URBs in a block of shared memory, one writer and any number of readers. A URB is
 * written once, when its answer has left; its times are kept with it until then.
 */
export class UrbTrace {
  readonly block: SharedArrayBuffer;
  readonly #numbers: Float64Array;

  /** A new block, or a look at that of a writer. The first number counts what was ever written. */
  constructor(block = new SharedArrayBuffer((1 + URBS * FIELDS) * Float64Array.BYTES_PER_ELEMENT)) {
    this.block = block;
    this.#numbers = new Float64Array(block);
  }

  add(session: number, { seqnum, arrivedMs, completedMs, urb }: AnsweredUrb, leftMs: number): void {
    const numbers = this.#numbers;
    const at = 1 + (numbers[0]! % URBS) * FIELDS;
    numbers[at] = session;
    numbers[at + 1] = seqnum;
    numbers[at + 2] = urb.endpoint;
    numbers[at + 3] = urb.status;
    numbers[at + 4] = urb.actualLength;
    numbers[at + 5] = arrivedMs;
    numbers[at + 6] = completedMs;
    numbers[at + 7] = leftMs;
    numbers[0]! += 1;
  }

  /** Oldest first. What is being overwritten while this looks is left out. */
  read(): TracedUrb[] {
    const before = this.#numbers[0]!;
    const numbers = this.#numbers.slice();
    const after = this.#numbers[0]!;
    const urbs: TracedUrb[] = [];
    for (let i = Math.max(after - URBS + 1, 0); i < before; i++) {
      const at = 1 + (i % URBS) * FIELDS;
      urbs.push({
        session: numbers[at]!,
        seqnum: numbers[at + 1]!,
        endpoint: numbers[at + 2]!,
        status: numbers[at + 3]!,
        actualLength: numbers[at + 4]!,
        arrivedMs: numbers[at + 5]!,
        completedMs: numbers[at + 6]!,
        leftMs: numbers[at + 7]!,
      });
    }
    return urbs;
  }
}
