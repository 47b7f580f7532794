import { type Protocol, printAddress } from "../links/address.ts";
import type { HandedSockets } from "../links/handed-sockets.ts";
import type { Link } from "../links/link.ts";
import { type ListenOptions, listen } from "../links/listen.ts";
import type { Listener } from "../links/listener.ts";
import type { TlsTrust } from "../links/trust.ts";
import type { RingHost } from "../ring/host.ts";
import type { Loop } from "../usb/loop.ts";
import type { TransferCounters } from "../usb/transfer-counters.ts";
import type { SessionTrace, UrbTrace } from "../usb/urb-trace.ts";
import type { ExportedDevice } from "../usbip/exports.ts";
import type { ImportRefusal } from "../usbip/server.ts";
import { deviceIdentity } from "./device-description.ts";
import { EventLog } from "./event-log.ts";
import type { ExportTable } from "./export-table.ts";
import { HOST_LIMITS, type HostLimits } from "./host-limits.ts";
import type { Log } from "./log.ts";
import type { ListenPlace } from "./place.ts";
import { Refusals } from "./refusals.ts";
import { FileRingListener } from "./ring/file-ring-listener.ts";
import { ServedRing } from "./ring/served-ring.ts";
import { type Admission, Gate, NO_RULES } from "./rules/gate.ts";
import { PATROL_MS, Session, type SessionOwner } from "./session.ts";
import type { SessionEnd } from "./session-end.ts";
import { type RingLook, type SessionEntry, SessionRegistry } from "./session-registry.ts";
import { TurnedAwayLog } from "./turned-away.ts";
import { ServedClient, type ServedClientOwner } from "./wslusb/served-client.ts";

/** Follows one session of a host. */
export interface SessionWatcher {
  /** The peer has a device. */
  imported(): void;
  /** The session is over; called once. */
  finished(): void;
}

/** Places that are listened at, where nobody is served yet. */
export interface OpenedPlaces {
  /** Serves whoever comes from now on. */
  adopt(): void;
  abandon(): void;
}

/** Shares devices: its listeners, and the sessions that arrived there. */
export class Host implements SessionOwner {
  readonly #exports: ExportTable;
  readonly #loop: Loop;
  readonly #log: Log;
  readonly #limits: HostLimits;
  readonly #refusals: Refusals;
  readonly #gate: Gate;
  readonly #registry: SessionRegistry;
  readonly #trace: UrbTrace | undefined;
  readonly #listening: ListenOptions;
  /** By the address that was asked for. */
  readonly #listeners = new Map<string, Listener>();
  readonly #sessions = new Map<Session, SessionEntry>();
  readonly #withoutDevice = new Set<Session>();
  readonly #watchers = new Map<Session, SessionWatcher>();
  #patrolling = false;
  #stopped: (() => void) | undefined;

  constructor(
    exports: ExportTable,
    loop: Loop,
    log: Log,
    limits: HostLimits = HOST_LIMITS,
    gate: Gate = new Gate(NO_RULES, log),
    registry: SessionRegistry = new SessionRegistry(new EventLog()),
    trace?: UrbTrace,
    trust?: TlsTrust,
    handed?: HandedSockets,
  ) {
    this.#exports = exports;
    this.#loop = loop;
    this.#log = log;
    this.#limits = limits;
    this.#refusals = new Refusals(log, registry);
    this.#gate = gate;
    this.#registry = registry;
    this.#trace = trace;
    const turnedAway = new TurnedAwayLog(
      log,
      (code, reason) => registry.turnedAway(code, reason),
      () => loop.now(),
    );
    this.#listening = {
      ...(trust !== undefined && { trust }),
      handed,
      turnedAway: (error) => turnedAway.hear(error),
    };
  }

  /** Where it listens, as a person writes it. */
  get addresses(): readonly string[] {
    return Array.from(this.#listeners.values(), (listener) => printAddress(listener.address));
  }

  /** Listens on all of them, or rejects with a LinkError and listens on none. */
  async listen(addresses: readonly ListenPlace[]): Promise<void> {
    const places = await this.open(addresses);
    places.adopt();
  }

  /** Opens all of them, or rejects with a LinkError and opens none. Who comes before they are adopted is sent away. */
  async open(addresses: readonly ListenPlace[]): Promise<OpenedPlaces> {
    let isAdopted = false;
    const accept = (link: Link, { protocol }: ListenPlace, ring?: RingHost): void => {
      if (isAdopted) this.accept(link, undefined, protocol, ring);
      else link.destroy();
    };
    const opened = new Map<string, Listener>();
    const results = await Promise.allSettled(
      addresses.map(async (address) =>
        opened.set(
          printAddress(address),
          address.kind === "ring-file"
            ? await FileRingListener.listen(
                address,
                (link, ring) => accept(link, address, ring),
                this.#loop,
                this.#log,
              )
            : await listen(address, (link) => accept(link, address), this.#listening),
        ),
      ),
    );
    const abandon = (): void => {
      for (const listener of opened.values()) listener.close();
    };
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) {
      abandon();
      throw failed.reason;
    }
    return {
      adopt: () => {
        isAdopted = true;
        for (const place of addresses.map(printAddress)) this.#listeners.set(place, opened.get(place)!);
      },
      abandon,
    };
  }

  /** Listens there no more; sessions that came from there go on. */
  close(address: ListenPlace): void {
    const place = printAddress(address);
    this.#listeners.get(place)?.close();
    this.#listeners.delete(place);
  }

  /**
   * Serves the peer, whoever dialled; false if there is no room for it. `expected`: what answers a peer that speaks
   * none of the protocols. `common`: the ring that it has come through, and gets its devices by.
   */
  accept(link: Link, watcher?: SessionWatcher, expected?: Protocol, common?: RingHost): boolean {
    const full = this.#full();
    if (full !== undefined) {
      link.destroy();
      this.#refusals.refused(full, this.#loop.now());
      this.#patrolLater();
      return false;
    }
    // Only who was dialled is followed.
    const admit = (): Admission => this.#gate.admit(link, watcher !== undefined, this.#exports);
    const entry = this.#registry.open(link.peer, { end: (end) => session.kick(end) });
    const session = new Session(
      link,
      admit(),
      this.#loop,
      this.#limits,
      this.#log,
      this,
      this.#loop.now(),
      this.#traceOf(entry),
      (protocol, output) => {
        const owner: ServedClientOwner = {
          admit,
          traced: (device) => this.#traceOf(device),
          attached: (exported, counters, end, ring) =>
            this.#attached(session, link, exported, counters, end, ring),
          refused: (busid, refusal) => this.refused(session, busid, refusal),
        };
        return protocol === "ring"
          ? new ServedRing(owner, link, this.#loop, output, common)
          : new ServedClient(owner, this.#loop, output);
      },
      expected,
    );
    this.#sessions.set(session, entry);
    this.#withoutDevice.add(session);
    if (watcher !== undefined) this.#watchers.set(session, watcher);
    session.start();
    this.#patrolLater();
    return true;
  }

  imported(session: Session, { busid, device }: ExportedDevice, counters: TransferCounters): void {
    this.#withoutDevice.delete(session);
    this.#sessions.get(session)!.imported(deviceIdentity(busid, device), counters);
    this.#watchers.get(session)?.imported();
  }

  refused(session: Session, busid: string, { code, message }: ImportRefusal): void {
    this.#sessions.get(session)!.refused(busid, code, message);
  }

  restless(): void {
    this.#patrolLater();
  }

  finished(session: Session, end: SessionEnd): void {
    this.#sessions.get(session)!.ended(end);
    this.#sessions.delete(session);
    this.#withoutDevice.delete(session);
    this.#watchers.get(session)?.finished();
    this.#watchers.delete(session);
    if (this.#sessions.size === 0) this.#stopped?.();
  }

  /** Closes everything; peers that do not close theirs are cut after a while. */
  async stop(drainMs = this.#limits.drainMs): Promise<void> {
    this.#closeListeners();
    if (this.#sessions.size === 0) return;
    await new Promise<void>((resolve) => {
      const drain = this.#loop.after(drainMs, () => {
        for (const session of this.#sessions.keys()) session.destroy();
      });
      this.#stopped = () => {
        drain.cancel();
        resolve();
      };
      for (const session of this.#sessions.keys()) session.stop();
    });
  }

  #attached(
    session: Session,
    { peer }: Link,
    { busid, device }: ExportedDevice,
    counters: TransferCounters,
    end: (end: SessionEnd) => void,
    ring: RingLook | undefined,
  ): SessionEntry {
    this.#withoutDevice.delete(session);
    const entry = this.#registry.open(peer, { end });
    entry.imported(deviceIdentity(busid, device), counters, ring);
    this.#watchers.get(session)?.imported();
    return entry;
  }

  #traceOf({ id }: SessionEntry): SessionTrace | undefined {
    return this.#trace && { urbs: this.#trace, session: Number(id.slice(1)) };
  }

  #full(): string | undefined {
    const { connections, withoutDevice } = this.#limits;
    if (this.#stopped !== undefined) return "this host is stopping";
    if (this.#sessions.size >= connections) return `${connections} connections are open`;
    if (this.#withoutDevice.size >= withoutDevice) return `${withoutDevice} connections have no device yet`;
    return undefined;
  }

  #closeListeners(): void {
    for (const listener of this.#listeners.values()) listener.close();
    this.#listeners.clear();
  }

  #patrolLater(): void {
    if (this.#patrolling) return;
    this.#patrolling = true;
    this.#loop.after(PATROL_MS, () => {
      this.#patrolling = false;
      let isRestless = false;
      for (const session of this.#sessions.keys()) isRestless = session.patrol() || isRestless;
      this.#refusals.patrol(this.#loop.now());
      if (isRestless || this.#refusals.pending) this.#patrolLater();
    });
  }
}
