import type { ServerResponse } from "node:http";
import type { DeviceEvent, EventKind } from "../device-event.ts";
import type { EventLog } from "../event-log.ts";
import type { ApiLimits } from "./api-limits.ts";
import { PushReaders } from "./push-readers.ts";

const HEARTBEAT = Buffer.from(": heartbeat\n\n");

/**
 * Readers of events. A reader that does not keep up is cut at a bounded backlog; when it comes back, the gap in the ids
 * tells it what it has missed.
 */
export class EventStreams {
  readonly #events: EventLog;
  readonly #limits: ApiLimits;
  readonly #readers: PushReaders<ReadonlySet<EventKind> | undefined>;
  #heart: NodeJS.Timeout | undefined;

  constructor(events: EventLog, limits: ApiLimits) {
    this.#events = events;
    this.#limits = limits;
    this.#readers = new PushReaders(limits.streams, "events", (count) => this.#count(count));
    events.subscribe((event) => this.#publish(event));
  }

  /** Throws a Refusal while there is no room; to be asked before the response is taken out of other hands. */
  admit(): void {
    this.#readers.admit();
  }

  /** `after`: the id of the last event that the reader has seen. Without kinds all are told. */
  open(response: ServerResponse, after: number | undefined, kinds: ReadonlySet<EventKind> | undefined): void {
    if (!this.#readers.open(response, kinds) || after === undefined) return;
    for (const event of this.#events.after(after)) {
      if (kinds?.has(event.kind) !== false) this.#write(response, frame(event));
    }
  }

  #count(readers: number): void {
    if (readers > 0) {
      this.#heart ??= setInterval(() => this.#beat(), this.#limits.heartbeatMs).unref();
    } else {
      clearInterval(this.#heart);
      this.#heart = undefined;
    }
  }

  #publish(event: DeviceEvent): void {
    // One piece of memory for all readers.
    let bytes: Uint8Array | undefined;
    for (const [response, kinds] of this.#readers) {
      bytes ??= frame(event);
      if (kinds?.has(event.kind) !== false) this.#write(response, bytes);
    }
  }

  #beat(): void {
    for (const [response] of this.#readers) this.#write(response, HEARTBEAT);
  }

  #write(response: ServerResponse, bytes: Uint8Array): void {
    if (response.writableLength + bytes.length > this.#limits.streamBytes) response.destroy();
    else response.write(bytes);
  }
}

function frame(event: DeviceEvent): Uint8Array {
  return Buffer.from(`id: ${event.sequence}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`);
}
