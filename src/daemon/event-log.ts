import { type DeviceEvent, EVENT_KINDS, type EventFacts, type EventKind } from "./device-event.ts";

/** Events that can still be read by whoever was away. */
const KEPT = 256;

/** A reason may quote a peer or a file; no reader needs more of it. */
const REASON_LENGTH = 300;

/** JSON writes six bytes for one of these. */
const CONTROLS = /\p{Cc}/gu;

/** Where events are published, and the last of them. Every push channel is a subscriber. */
export class EventLog {
  readonly #recent: DeviceEvent[] = [];
  readonly #counts = new Map<EventKind, number>(EVENT_KINDS.map((kind) => [kind, 0]));
  readonly #subscribers = new Set<(event: DeviceEvent) => void>();
  #last: number;

  /** `first` is above every sequence number of an earlier run, so that a reader who was away notices. */
  constructor(first = Date.now()) {
    this.#last = first;
  }

  /** The sequence number of the last event: whoever resumes behind it misses nothing. */
  get last(): number {
    return this.#last;
  }

  /** How many there were. */
  get counts(): ReadonlyMap<EventKind, number> {
    return this.#counts;
  }

  publish(kind: EventKind, facts: EventFacts): void {
    const { reason } = facts;
    const event: DeviceEvent = {
      sequence: ++this.#last,
      time: new Date().toISOString(),
      kind,
      ...facts,
      ...(reason !== undefined && { reason: reason.slice(0, REASON_LENGTH).replace(CONTROLS, " ") }),
    };
    this.#counts.set(kind, this.#counts.get(kind)! + 1);
    this.#recent.push(event);
    if (this.#recent.length > KEPT) this.#recent.shift();
    for (const subscriber of this.#subscribers) subscriber(event);
  }

  /** Those behind a sequence number that are kept; all that are kept, if the number is of another run. */
  after(sequence: number): readonly DeviceEvent[] {
    return sequence > this.#last
      ? this.#recent.slice()
      : this.#recent.filter((event) => event.sequence > sequence);
  }

  /** Calls back inside `publish`; the answer ends it. */
  subscribe(subscriber: (event: DeviceEvent) => void): () => void {
    this.#subscribers.add(subscriber);
    return () => void this.#subscribers.delete(subscriber);
  }
}
