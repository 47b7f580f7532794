import type { RingFigures } from "../ring/ring-figures.ts";
import type { TransferFigures } from "../usb/transfer-figures.ts";
import type { DeviceIdentity } from "./device-event.ts";
import type { EventLog } from "./event-log.ts";
import type { CarriedDevice, SessionCounters } from "./figures/carried-device.ts";
import { TransferLedger } from "./figures/transfer-ledger.ts";
import { KICKED, type SessionEnd } from "./session-end.ts";

/** One session, as plain facts. */
export interface SessionFacts {
  /** `s1`, `s2` and so on, never used again in a run. */
  readonly id: string;
  readonly peer: string;
  /** What carries it: `tcp`, `unix`, ... */
  readonly link: string;
  /** ISO 8601. */
  readonly since: string;
  /** Once it has one. */
  readonly device?: DeviceIdentity;
  /** What it has carried, where the session counts. */
  readonly counters?: TransferFigures;
  /** Over shared memory. */
  readonly ring?: RingFigures;
}

/** What the registry may ask of a session, wherever that runs. */
export interface SessionControl {
  /** Ends it with this end; `SessionEntry.ended` follows within seconds. */
  end(end: SessionEnd): void;
}

/** A moment's look at a ring; nothing while it has no session. */
export type RingLook = () => RingFigures | undefined;

/** Where a session tells what becomes of it. */
export interface SessionEntry {
  readonly id: string;
  /** The peer has a device. Without counters nobody counts; `ring` looks at the shared memory that it comes through. */
  imported(device: DeviceIdentity, counters?: SessionCounters, ring?: RingLook): void;
  /** It asked for a device and did not get it. */
  refused(busid: string, code: string, reason: string): void;
  /** It is over and its device free again. Called once. */
  ended(end: SessionEnd): void;
}

interface Open {
  readonly facts: Omit<SessionFacts, "counters" | "device">;
  readonly control: SessionControl;
  readonly over: Promise<SessionEnd>;
  device: DeviceIdentity | undefined;
  counters: SessionCounters | undefined;
  ring: RingLook | undefined;
}

/** Ends of sessions without a device that are nobody's news: port scans, health checks, a mere list. */
const QUIET: ReadonlySet<string> = new Set(["OK", "DISCONNECTED", "STOPPED", "KICKED", "LINK_LOST"]);

/** Every session of this host, on whichever thread it runs, and the events of their beginnings and ends. */
export class SessionRegistry {
  readonly #events: EventLog;
  readonly #open = new Map<string, Open>();
  readonly #endings = new Set<{ readonly busid: string; readonly end: SessionEnd }>();
  #opened = 0;

  /** What devices have carried whose sessions are over. */
  readonly ledger = new TransferLedger();

  constructor(events: EventLog) {
    this.#events = events;
  }

  open(peer: string, control: SessionControl): SessionEntry {
    const id = `s${++this.#opened}`;
    const link = peer.slice(0, Math.max(0, peer.indexOf(":")));
    let over!: (end: SessionEnd) => void;
    const open: Open = {
      facts: { id, peer, link, since: new Date().toISOString() },
      control,
      over: new Promise((resolve) => {
        over = resolve;
      }),
      device: undefined,
      counters: undefined,
      ring: undefined,
    };
    this.#open.set(id, open);
    return {
      id,
      imported: (device, counters, ring) => {
        open.device = device;
        open.counters = counters;
        open.ring = ring;
        this.#events.publish("attached", { device, peer, session: id });
        const ending = Array.from(this.#endings).find(({ busid }) => busid === device.busid);
        // Not while its conversation is in the middle of telling.
        if (ending !== undefined) queueMicrotask(() => control.end(ending.end));
      },
      refused: (busid, code, reason) =>
        this.#events.publish("refused", { device: { busid }, peer, session: id, code, reason }),
      ended: (end) => {
        this.#open.delete(id);
        if (open.device !== undefined && open.counters !== undefined)
          this.ledger.add(open.device.busid, open.counters.look().figures);
        this.#tellEnd(open, end);
        over(end);
      },
    };
  }

  /** Connections that never became sessions. */
  turnedAway(code: string, reason: string): void {
    this.#events.publish("refused", { code, reason });
  }

  sessions(): readonly SessionFacts[] {
    return Array.from(this.#open.values(), describe);
  }

  /** Devices that somebody has. */
  carried(): readonly CarriedDevice[] {
    return Array.from(this.#open.values()).flatMap(({ facts, device, counters }) => {
      if (device === undefined || counters === undefined) return [];
      const { id: session, peer, link, since } = facts;
      return [{ device, session, peer, link, since, counters }];
    });
  }

  /** Cuts a session; resolves when it is over. Nothing if there is none. */
  async kick(id: string): Promise<SessionFacts | undefined> {
    const open = this.#open.get(id);
    if (open === undefined) return undefined;
    const facts = describe(open);
    open.control.end(KICKED);
    await open.over;
    return facts;
  }

  /** Ends whoever has this device, and whoever gets it before it is `free`, because it was being opened; resolves then. */
  async endOf(busid: string, end: SessionEnd, free: Promise<void>): Promise<void> {
    const ending = { busid, end };
    this.#endings.add(ending);
    const having = Array.from(this.#open.values()).filter(({ device }) => device?.busid === busid);
    for (const { control } of having) control.end(end);
    await Promise.all(having.map(({ over }) => over));
    await free;
    this.#endings.delete(ending);
  }

  #tellEnd({ facts, device }: Open, { code, reason }: SessionEnd): void {
    const common = { peer: facts.peer, session: facts.id, code, reason };
    if (device !== undefined) this.#events.publish("detached", { device, ...common });
    else if (!QUIET.has(code)) this.#events.publish("error", common);
  }
}

function describe({ facts, device, counters, ring: look }: Open): SessionFacts {
  const ring = look?.();
  return {
    ...facts,
    ...(device !== undefined && { device }),
    ...(counters !== undefined && { counters: counters.look().figures }),
    ...(ring !== undefined && { ring }),
  };
}
