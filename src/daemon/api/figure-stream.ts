import type { ServerResponse } from "node:http";
import type { Figures, LiveFigures } from "../figures/live-figures.ts";
import type { ApiLimits } from "./api-limits.ts";
import { PushReaders } from "./push-readers.ts";

/** Readers of figures. One that has not taken the last ones gets none of this period: it is behind, and newer ones are better. */
export class FigureStreams {
  readonly #live: LiveFigures;
  readonly #readers: PushReaders<undefined>;
  #forget: (() => void) | undefined;

  constructor(live: LiveFigures, { streams }: ApiLimits) {
    this.#live = live;
    this.#readers = new PushReaders(streams, "figures", (count) => this.#count(count));
  }

  /** Throws a Refusal while there is no room; to be asked before the response is taken out of other hands. */
  admit(): void {
    this.#readers.admit();
  }

  open(response: ServerResponse): void {
    this.#readers.open(response, undefined);
  }

  #count(readers: number): void {
    if (readers > 0) {
      this.#forget ??= this.#live.watch((figures) => this.#publish(figures));
    } else {
      this.#forget?.();
      this.#forget = undefined;
    }
  }

  #publish(figures: Figures): void {
    // One piece of memory for all readers.
    const bytes = Buffer.from(`event: figures\ndata: ${JSON.stringify(figures)}\n\n`);
    for (const [response] of this.#readers) if (response.writableLength === 0) response.write(bytes);
  }
}
