import type { Cancellable, Loop } from "../../usb/loop.ts";
import { BackOff } from "../back-off.ts";
import { Failed, failureKind } from "../failure.ts";
import type { Log } from "../log.ts";
import type { PluggedDevice } from "./device-source.ts";
import type { DistantName, DistantSources } from "./distant-source.ts";
import type { PortEntry, PortTable } from "./port-table.ts";

/** A device that stayed for so long was there: its host is asked again soon after it has left. */
const LASTING_MS = 2_000;

/** What a wish stands on. */
export interface DistantRooms {
  readonly ports: PortTable;
  readonly distant: DistantSources;
  readonly loop: Loop;
  readonly log: Log;
}

/** A device of another host that a controller was told to have. Whenever it leaves it is asked for again, until it is there. */
export class DistantWish {
  /** As it was asked for. */
  readonly text: string;
  readonly #name: DistantName;
  readonly #rooms: DistantRooms;
  readonly #waits = new BackOff();
  readonly #over = new AbortController();
  #entry: PortEntry | undefined;
  #hasBegun = false;
  #retry: Cancellable | undefined;
  #sinceMs = 0;
  #lastFailure = "";

  constructor(text: string, name: DistantName, rooms: DistantRooms) {
    this.text = text;
    this.#name = name;
    this.#rooms = rooms;
  }

  /** It was there once, and is away. */
  get isWaiting(): boolean {
    return this.#hasBegun && this.#entry === undefined;
  }

  /** Whether a device is there because of it. */
  has(entry: PortEntry): boolean {
    return this.#entry === entry;
  }

  /** Rejects with WrongUsage, Failed or a LinkError; then it is not asked for again. */
  async begin(): Promise<PluggedDevice> {
    const { told } = await this.#plug();
    return told;
  }

  /** It is not asked for any more; what is in its port stays there. */
  end(): void {
    this.#over.abort();
    this.#retry?.cancel();
  }

  async #plug(): Promise<PortEntry> {
    const { ports, distant, loop } = this.#rooms;
    const opened = await distant.open(this.#name, this.#over.signal);
    if (this.#over.signal.aborted) await opened.close();
    this.#mustGoOn();
    let hasLeft = false;
    const left = (): void => {
      hasLeft = true;
      this.#left();
    };
    const sinceMs = loop.now();
    const entry = await ports.plug(this.text, { ...opened, left });
    if (this.#over.signal.aborted) await ports.unplug(entry);
    this.#mustGoOn();
    this.#hasBegun = true;
    this.#lastFailure = "";
    this.#sinceMs = sinceMs;
    if (!hasLeft) this.#entry = entry;
    return entry;
  }

  #mustGoOn(): void {
    if (this.#over.signal.aborted) throw new Failed(`${this.text} was unplugged before it was there.`);
  }

  #left(): void {
    this.#entry = undefined;
    if (this.#over.signal.aborted) return;
    if (this.#rooms.loop.now() - this.#sinceMs >= LASTING_MS) this.#waits.reset();
    this.#again();
  }

  #again(): void {
    this.#retry = this.#rooms.loop.after(this.#waits.nextMs(), () => void this.#try());
  }

  async #try(): Promise<void> {
    try {
      await this.#plug();
    } catch (error) {
      if (failureKind(error) === "defect") throw error;
      if (this.#over.signal.aborted) return;
      const { message } = error as Error;
      // Once for each reason, however often it is tried.
      if (message !== this.#lastFailure) {
        this.#lastFailure = message;
        this.#rooms.log.warn(
          { code: "NOT_PLUGGED", name: this.text },
          `NOT_PLUGGED ${this.text}: ${message} It is asked for again.`,
        );
      }
      this.#again();
    }
  }
}
