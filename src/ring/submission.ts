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
  /** Where it is among those of its device, and how many came before it, while its URB is with the device. */
  index = 0;
  number = 0;
  #uses = 0;
  /** The data as they were looked at last: most transfers of a place have the same slots and length as the one before. */
  #data = NO_DATA;
  #dataAt = 0;

  constructor(place: number) {
    this.place = place;
  }

  /** The first `length` bytes in its slots, which stand at `at` of the memory: always of the same one. */
  dataIn(memory: Uint8Array, at: number, length: number): Uint8Array {
    if (this.#dataAt !== at || this.#data.length !== length) {
      this.#data = memory.subarray(at, at + length);
      this.#dataAt = at;
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

/** Submissions of one device whose URBs are with it. */
export class SubmissionSet {
  /** In no order; those behind `#length` have left. */
  readonly #members: Submission[] = [];
  #length = 0;
  #added = 0;

  get length(): number {
    return this.#length;
  }

  /** As they came. */
  inOrder(): readonly Submission[] {
    return this.#members.slice(0, this.#length).toSorted((a, b) => a.number - b.number);
  }

  find(urb: Urb): Submission | undefined {
    for (let i = 0; i < this.#length; i++) if (this.#members[i]!.urb === urb) return this.#members[i];
    return undefined;
  }

  add(submission: Submission): void {
    submission.number = this.#added++;
    submission.index = this.#length;
    this.#members[this.#length++] = submission;
  }

  remove(submission: Submission): void {
    const last = this.#members[--this.#length]!;
    if (last === submission) return;
    this.#members[submission.index] = last;
    last.index = submission.index;
  }
}
