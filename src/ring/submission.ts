import type { Urb } from "../usb/urb.ts";
import type { RingDevice } from "./guest-device.ts";
import { NO_SLOT } from "./slot-map.ts";

/** A transaction id is a place in the table and, above it, how often that place was used. */
const PLACE_BITS = 16;
const PLACE_MASK = (1 << PLACE_BITS) - 1;
const USES_MASK = (1 << 14) - 1;
const NO_DATA: Uint8Array = new Uint8Array(0);

/** A URB_SUBMIT or ISO_SUBMIT that has no completion yet, and all that this is measured against. */
export class Submission {
  readonly place: number;
  transaction = 0;
  owner: RingDevice | undefined;
  device = 0;
  /** Nothing once it was given back without an answer: the host still has its slots. */
  urb: Urb | undefined;
  isIso = false;
  isIn = false;
  isInline = false;
  isCancelled = false;
  length = 0;
  packetCount = 0;
  sentMs = 0;
  /** Its run of slots. */
  slot: number = NO_SLOT;
  slots = 0;
  /** The next and the last one of its device, while its URB is with the device. */
  next: Submission | undefined;
  previous: Submission | undefined;
  #uses = 0;
  /** The data as they were looked at last: most transfers of a place have the same slots and length as the one before. */
  #data = NO_DATA;

  constructor(place: number) {
    this.place = place;
  }

  /** The first `length` bytes in its slots, which stand at `at` of the memory. */
  dataIn(memory: Uint8Array, at: number, length: number): Uint8Array {
    if (this.#data.length !== length || this.#data.byteOffset !== memory.byteOffset + at) {
      this.#data = memory.subarray(at, at + length);
    }
    return this.#data;
  }

  /** Another use begins. Never 0, which is no transaction. */
  renew(): void {
    this.#uses = (this.#uses + 1) & USES_MASK;
    this.transaction = (this.#uses << PLACE_BITS) | this.place;
  }
}

/** Submissions of one session, by transaction id. */
export class SubmissionTable {
  /** Place 0 stays empty. */
  readonly #places: (Submission | undefined)[] = [undefined];
  readonly #free: Submission[] = [];

  get used(): number {
    return this.#places.length - 1 - this.#free.length;
  }

  /** Nothing if there are as many as there can be. */
  take(): Submission | undefined {
    const submission = this.#free.pop() ?? this.#another();
    submission?.renew();
    return submission;
  }

  /** What has this id and has not been given back. */
  find(transaction: number): Submission | undefined {
    const submission = this.#places[transaction & PLACE_MASK];
    return submission?.transaction === transaction && submission.owner !== undefined ? submission : undefined;
  }

  give(submission: Submission): void {
    submission.owner = undefined;
    submission.urb = undefined;
    this.#free.push(submission);
  }

  #another(): Submission | undefined {
    if (this.#places.length > PLACE_MASK) return undefined;
    const submission = new Submission(this.#places.length);
    this.#places.push(submission);
    return submission;
  }
}

/** Submissions of one device whose URBs are with it, in the order in which they came. */
export class SubmissionList {
  #first: Submission | undefined;
  #last: Submission | undefined;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get first(): Submission | undefined {
    return this.#first;
  }

  find(urb: Urb): Submission | undefined {
    let submission = this.#first;
    while (submission !== undefined && submission.urb !== urb) submission = submission.next;
    return submission;
  }

  add(submission: Submission): void {
    submission.previous = this.#last;
    submission.next = undefined;
    if (this.#last === undefined) this.#first = submission;
    else this.#last.next = submission;
    this.#last = submission;
    this.#length++;
  }

  remove(submission: Submission): void {
    const { next, previous } = submission;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    submission.next = undefined;
    submission.previous = undefined;
    this.#length--;
  }
}
