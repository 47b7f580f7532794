import type { ServerResponse } from "node:http";
import type { DeviceEvent, EventKind } from "../device-event.ts";
import type { EventLog } from "../event-log.ts";
import type { ApiLimits } from "./api-limits.ts";
import { Refusal } from "./refusal.ts";

const HEAD = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  "x-accel-buffering": "no",
};
const HEARTBEAT = Buffer.from(": heartbeat\n\n");

/**
 * Readers of events by server-sent events (WHATWG HTML §9.2). A reader that does not keep up is cut at a bounded
 * backlog; when it comes back, the gap in the ids tells it what it has missed.
 */
export class EventStreams {
  readonly #events: EventLog;
  readonly #limits: ApiLimits;
  readonly #open = new Map<ServerResponse, ReadonlySet<EventKind> | undefined>();
  #heart: NodeJS.Timeout | undefined;

  constructor(events: EventLog, limits: ApiLimits) {
    this.#events = events;
    this.#limits = limits;
    events.subscribe((event) => this.#publish(event));
  }

  /** Throws a Refusal while there is no room; to be asked before the response is taken out of other hands. */
  admit(): void {
    if (this.#open.size < this.#limits.streams) return;
    throw new Refusal(
      "TOO_MANY_CLIENTS",
      `${this.#open.size} clients read events. End one of them, then try again.`,
    );
  }

  /** `after`: the id of the last event that the reader has seen. Without kinds all are told. */
  open(response: ServerResponse, after: number | undefined, kinds: ReadonlySet<EventKind> | undefined): void {
    // It may have gone while this API was being loaded, and nothing would tell.
    if (response.destroyed || response.closed) return;
    response.writeHead(200, HEAD);
    response.flushHeaders();
    this.#open.set(response, kinds);
    response.once("close", () => {
      this.#open.delete(response);
      if (this.#open.size > 0) return;
      clearInterval(this.#heart);
      this.#heart = undefined;
    });
    this.#heart ??= setInterval(() => this.#beat(), this.#limits.heartbeatMs).unref();
    if (after === undefined) return;
    for (const event of this.#events.after(after)) {
      if (kinds?.has(event.kind) !== false) this.#write(response, frame(event));
    }
  }

  #publish(event: DeviceEvent): void {
    if (this.#open.size === 0) return;
    // One piece of memory for all readers.
    const bytes = frame(event);
    for (const [response, kinds] of this.#open) {
      if (kinds?.has(event.kind) !== false) this.#write(response, bytes);
    }
  }

  #beat(): void {
    for (const response of this.#open.keys()) this.#write(response, HEARTBEAT);
  }

  #write(response: ServerResponse, bytes: Uint8Array): void {
    if (response.writableLength + bytes.length > this.#limits.streamBytes) response.destroy();
    else response.write(bytes);
  }
}

function frame(event: DeviceEvent): Uint8Array {
  return Buffer.from(`id: ${event.sequence}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`);
}
