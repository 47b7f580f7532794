import {
  ask,
  type Device,
  type DeviceEvent,
  type HostState,
  type Nickname,
  openEvents,
  Refused,
  reasonOf,
} from "./api.ts";
import { serverEvents } from "./server-events.ts";

/** How it stands with the host: `locked` until the right token is known. */
export type Contact = "asking" | "open" | "lost" | "locked";

/** As many as the host keeps. */
const EVENTS = 256;
/** What no event tells, rules for example, is seen this late. */
const LOOK_MS = 3_000;
const RETRY_MS = 1_000;

/** The host as this page knows it: asked again whenever something happens there. */
export class HostWatch {
  contact: Contact = "asking";
  /** Why it does not go on. */
  reason = "";
  state: HostState | undefined;
  /** The newest first. */
  events: readonly DeviceEvent[] = [];
  #nicknames: readonly Nickname[] = [];
  readonly #listeners = new Set<() => void>();
  #ended = new AbortController();
  #looking: Promise<void> | undefined;
  #isStale = false;
  #lookTimer: number | undefined;

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** What people call it. */
  nicknameOf({ busid, vid, pid, serial }: Device): string | undefined {
    const texts = new Set([busid, `${vid}:${pid}:${serial}`, `${vid}:${pid}`]);
    return this.#nicknames.find(({ device }) => texts.has(device))?.name;
  }

  /** Begins, or begins again with another token. */
  start(): void {
    clearInterval(this.#lookTimer);
    document.addEventListener("visibilitychange", this.#awake);
    this.#become("asking");
    this.#awake();
    this.#lookTimer = setInterval(() => {
      if (!document.hidden && this.contact !== "locked") void this.look();
    }, LOOK_MS);
  }

  /** Resolves when the page shows what is so at this moment. */
  look(): Promise<void> {
    this.#isStale = true;
    this.#looking ??= this.#lookUntilFresh();
    return this.#looking;
  }

  /** A tab that nobody sees gives its connection back: a browser has six to a host for all its tabs. */
  readonly #awake = (): void => {
    this.#ended.abort();
    if (document.hidden) return;
    this.#ended = new AbortController();
    void this.look();
    void this.#follow(this.#ended.signal);
  };

  async #lookUntilFresh(): Promise<void> {
    while (this.#isStale) {
      this.#isStale = false;
      try {
        // oxlint-disable-next-line no-await-in-loop -- once more if something happened meanwhile
        [this.state, this.#nicknames] = await Promise.all([
          ask<HostState>("GET", "/v1/state"),
          // Where their file is damaged, everything else goes on.
          ask<{ readonly nicknames: readonly Nickname[] }>("GET", "/v1/nicknames").then(
            ({ nicknames }) => nicknames,
            () => [],
          ),
        ]);
        this.#become("open");
      } catch (error) {
        this.#failed(error);
      }
    }
    this.#looking = undefined;
  }

  /** The events, for as long as this page is seen. */
  async #follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const after = this.events[0]?.sequence ?? 0;
        // oxlint-disable-next-line no-await-in-loop
        const bytes = await openEvents(after, signal);
        // oxlint-disable-next-line no-await-in-loop
        for await (const event of serverEvents<DeviceEvent>(bytes)) this.#hear(event);
      } catch (error) {
        if (signal.aborted) return;
        this.#failed(error);
        if (this.contact === "locked") return;
      }
      // oxlint-disable-next-line no-await-in-loop
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  #hear(event: DeviceEvent): void {
    this.events = [event, ...this.events].slice(0, EVENTS);
    this.#tell();
    void this.look();
  }

  #failed(error: unknown): void {
    const isLocked = error instanceof Refused && error.code === "UNAUTHORIZED";
    this.#become(isLocked ? "locked" : "lost", reasonOf(error));
  }

  #become(contact: Contact, reason = ""): void {
    this.contact = contact;
    this.reason = reason;
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
