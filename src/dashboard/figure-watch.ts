import { ask, type DeviceFigures, type Figures } from "./api.ts";

/** One second of a device. */
export interface Second {
  readonly bytes: number;
  readonly urbs: number;
}

const SECONDS = 60;
const PERIOD_MS = 1_000;

/**
 * What devices carry, asked for each second for as long as somebody looks at the page. Not by a stream: a browser has six
 * connections to a host for all its tabs, and one of each is for events.
 */
export class FigureWatch {
  #devices: ReadonlyMap<string, DeviceFigures> = new Map();
  #history: ReadonlyMap<string, readonly Second[]> = new Map();
  readonly #listeners = new Set<() => void>();
  #timer: number | undefined;

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Begins, or begins again with another token. */
  start(): void {
    clearTimeout(this.#timer);
    void this.#look();
  }

  of(busid: string): DeviceFigures | undefined {
    return this.#devices.get(busid);
  }

  /** The last minute, the oldest second first. */
  historyOf(busid: string): readonly Second[] {
    return this.#history.get(busid) ?? [];
  }

  async #look(): Promise<void> {
    const fromMs = performance.now();
    try {
      if (!document.hidden) this.#take(await ask<Figures>("GET", "/v1/figures"));
    } catch {
      // That the host does not answer, or wants another token, is told where its state is asked for.
    }
    this.#timer = setTimeout(() => void this.#look(), Math.max(0, fromMs + PERIOD_MS - performance.now()));
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
