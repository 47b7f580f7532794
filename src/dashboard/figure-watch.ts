import { type DeviceFigures, type Figures, openEvents } from "./api.ts";
import { serverEvents } from "./server-events.ts";

/** One second of a device. */
export interface Second {
  readonly bytes: number;
  readonly urbs: number;
}

const SECONDS = 60;
const RETRY_MS = 1_000;

/** What devices carry, told by the host each second for as long as somebody looks at the page. */
export class FigureWatch {
  #devices: ReadonlyMap<string, DeviceFigures> = new Map();
  #history: ReadonlyMap<string, readonly Second[]> = new Map();
  readonly #listeners = new Set<() => void>();
  #ended = new AbortController();

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Begins, or begins again with another token. */
  start(): void {
    this.#ended.abort();
    document.removeEventListener("visibilitychange", this.#follow);
    document.addEventListener("visibilitychange", this.#follow);
    this.#follow();
  }

  of(busid: string): DeviceFigures | undefined {
    return this.#devices.get(busid);
  }

  /** The last minute, the oldest second first. */
  historyOf(busid: string): readonly Second[] {
    return this.#history.get(busid) ?? [];
  }

  readonly #follow = (): void => {
    this.#ended.abort();
    if (document.hidden) return;
    this.#ended = new AbortController();
    void this.#read(this.#ended.signal);
  };

  async #read(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- begun again when it was cut
        const bytes = await openEvents("/v1/figures/events", signal);
        // oxlint-disable-next-line no-await-in-loop
        for await (const figures of serverEvents<Figures>(bytes)) this.#take(figures);
      } catch {
        // That the host does not answer, or wants another token, is told where its state is asked for.
      }
      // oxlint-disable-next-line no-await-in-loop
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  #take({ devices }: Figures): void {
    this.#devices = new Map(devices.map((figures) => [figures.device.busid, figures]));
    this.#history = new Map(
      devices.map(({ device: { busid }, now }) => {
        const second = { bytes: now.bytesInPerSecond + now.bytesOutPerSecond, urbs: now.urbsPerSecond };
        return [busid, [...this.historyOf(busid), second].slice(-SECONDS)];
      }),
    );
    for (const listener of this.#listeners) listener();
  }
}
