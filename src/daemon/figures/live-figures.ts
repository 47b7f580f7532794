import type { TransferLook } from "../../usb/transfer-look.ts";
import type { CarriedDevice, SessionCounters } from "./carried-device.ts";
import { type DeviceFigures, deviceFigures } from "./device-figures.ts";

const PERIOD_MS = 1_000;
/** Periods that it goes on when nobody asks, so that who asks once in a while need not wait. */
const LINGER = 5;

/** What all devices carry that somebody has. */
export interface Figures {
  /** ISO 8601 */
  readonly time: string;
  /** The period that `now` of each device tells of, in milliseconds. */
  readonly periodMs: number;
  readonly devices: readonly DeviceFigures[];
}

type Hearer = (figures: Figures) => void;

/**
 * Looks at the counters of every device once a period while somebody wants to know, and never otherwise. All who ask share
 * the looks, so that it does not matter how many they are.
 */
export class LiveFigures {
  readonly #carried: () => readonly CarriedDevice[];
  readonly #watchers = new Set<Hearer>();
  readonly #waiting: Hearer[] = [];
  /** Of one period ago. */
  #looks: ReadonlyMap<SessionCounters, TransferLook> = new Map();
  #lookedMs = 0;
  #latest: Figures | undefined;
  #timer: NodeJS.Timeout | undefined;
  #unasked = 0;

  constructor(carried: () => readonly CarriedDevice[]) {
    this.#carried = carried;
  }

  /** Of the last period; if nobody has asked for some seconds, of the next one. */
  read(): Promise<Figures> {
    this.#start();
    if (this.#latest !== undefined) return Promise.resolve(this.#latest);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Calls back each period; the answer ends it. */
  watch(hearer: Hearer): () => void {
    this.#watchers.add(hearer);
    this.#start();
    return () => void this.#watchers.delete(hearer);
  }

  #start(): void {
    this.#unasked = 0;
    if (this.#timer !== undefined) return;
    this.#looks = new Map(this.#carried().map(({ counters }) => [counters, counters.look()]));
    this.#lookedMs = performance.now();
    this.#timer = setInterval(() => this.#tell(), PERIOD_MS).unref();
  }

  #tell(): void {
    this.#unasked++;
    if (this.#watchers.size === 0 && this.#waiting.length === 0 && this.#unasked > LINGER) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      this.#latest = undefined;
      this.#looks = new Map();
      return;
    }
    const figures = this.#look();
    this.#latest = figures;
    for (const hearer of [...this.#waiting.splice(0), ...this.#watchers]) hearer(figures);
  }

  #look(): Figures {
    const nowMs = performance.now();
    const periodMs = nowMs - this.#lookedMs;
    const looks = new Map<SessionCounters, TransferLook>();
    const devices = this.#carried().map((carried) => {
      const { counters } = carried;
      const look = counters.look();
      looks.set(counters, look);
      return deviceFigures(carried, look, this.#looks.get(counters), periodMs / 1_000);
    });
    this.#looks = looks;
    this.#lookedMs = nowMs;
    return { time: new Date().toISOString(), periodMs: Math.round(periodMs), devices };
  }
}
