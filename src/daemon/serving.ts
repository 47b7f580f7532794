import type { LinkAddress } from "../links/listen.ts";
import { SystemError } from "../linux/system-error.ts";
import type { Loop } from "../usb/loop.ts";
import type { UrbTrace } from "../usb/urb-trace.ts";
import { readControlPlace, readDashboardPlace, serveControl } from "./api/control-place.ts";
import { ControlServer } from "./api/control-server.ts";
import { ConfigurationFile } from "./configuration/configuration.ts";
import { DataPlane } from "./data-plane/data-plane.ts";
import { DialledGuests } from "./dialled-guests.ts";
import { Dialler } from "./dialler.ts";
import { EventLog } from "./event-log.ts";
import { ExportTable } from "./export-table.ts";
import { Failed, failureKind, WrongUsage } from "./failure.ts";
import { GadgetRack } from "./gadget-rack.ts";
import { HardwareRack } from "./hardware/hardware-rack.ts";
import { machineRoots } from "./hardware/machine-roots.ts";
import { type UsbBackend, usbBackend } from "./hardware/usb-backend.ts";
import { Host, type OpenedPlaces } from "./host.ts";
import type { HostControl, Reload } from "./host-control.ts";
import { HOST_LIMITS } from "./host-limits.ts";
import { LibuvLoop } from "./libuv-loop.ts";
import type { Log, RoomLogs } from "./log.ts";
import { pinRingThread, type RingThread, ringThread } from "./ring/ring-thread.ts";
import { Gate } from "./rules/gate.ts";
import { RuleBook } from "./rules/rule-book.ts";
import { differences, NO_PLAN, planServe, type ServePlan, type ServeRequest } from "./serve-plan.ts";
import { ServedGadgets } from "./served-gadgets.ts";
import { SessionRegistry } from "./session-registry.ts";
import { BindList } from "./state/binds.ts";
import { deviceNamed } from "./state/device-name.ts";
import { DriverClaims } from "./state/driver-claims.ts";
import { closeStates, type HostStates, openStates } from "./state/host-states.ts";
import { KeptNicknames } from "./state/kept-nicknames.ts";
import { StateFolder } from "./state/state-folder.ts";
import { TraceFile } from "./trace-file.ts";
import { Trust } from "./trust.ts";

/** A host that runs. */
export class Serving implements HostControl {
  readonly since = new Date().toISOString();
  readonly events = new EventLog();
  readonly exports = new ExportTable(this.events);
  readonly sessions = new SessionRegistry(this.events);
  readonly gadgets: GadgetRack;
  /** Real devices, and by what they are known. */
  readonly hardware: HardwareRack;
  readonly usb: UsbBackend;
  readonly host: Host;
  /** Who may have what; changed while the host runs. */
  readonly rules: RuleBook;
  readonly nicknames: KeptNicknames;
  readonly #folder: StateFolder;
  readonly #request: ServeRequest;
  readonly #logs: RoomLogs;
  /** The thread of all this, as far as rings are concerned. */
  readonly ring: RingThread;
  readonly #loop: Loop;
  readonly #kept: HostStates;
  readonly #trust: Trust;
  /** What it was started with; some of it holds until its end. */
  readonly #file: ConfigurationFile | undefined;
  #plan: ServePlan = NO_PLAN;
  readonly #served: ServedGadgets;
  readonly #guests: DialledGuests;
  #reloading: Promise<unknown> = Promise.resolve();
  #isStopping = false;
  #control: ControlServer | undefined;
  readonly #trace: TraceFile | undefined;

  private constructor(
    request: ServeRequest,
    file: ConfigurationFile | undefined,
    logs: RoomLogs,
    folder: StateFolder,
    kept: HostStates,
    trace: TraceFile | undefined,
    ring: RingThread,
  ) {
    const processors = pinRingThread(ring);
    this.ring = ring;
    this.#loop = new LibuvLoop(ring.lookUs / 1_000);
    this.usb = usbBackend(request.usbBackend);
    this.#folder = folder;
    this.nicknames = new KeptNicknames(folder);
    this.#trust = new Trust(folder);
    this.#request = request;
    this.#file = file;
    this.#logs = logs;
    this.#kept = kept;
    this.rules = new RuleBook(kept.rules.store, () => this.reconsider());
    this.#trace = trace;
    const rulesLog = logs.room("rules");
    const gate = new Gate(this.rules, logs.room("audit"), (describe) => {
      if (rulesLog.isLevelEnabled("debug")) rulesLog.debug(...describe());
    });
    this.host = new Host(
      this.exports,
      this.#loop,
      logs.room("usbip"),
      HOST_LIMITS,
      gate,
      this.sessions,
      this.#trace?.main,
      this.#trust,
      request.handed,
    );
    this.gadgets = new GadgetRack(this.exports, this.#loop, logs.room("gadgets"), () =>
      openPlane(request, logs.room("usbip"), this.#trace?.plane, processors),
    );
    this.#served = new ServedGadgets(this.gadgets);
    this.#guests = new DialledGuests((address) => this.#dialler(address));
    const { exports, sessions, events, rules } = this;
    const log = logs.room("hardware");
    const claims = kept.claims && new DriverClaims(kept.claims.store, log);
    this.hardware = new HardwareRack({
      exports,
      sessions,
      events,
      rules,
      binds: new BindList(kept.binds.store),
      loop: this.#loop,
      log,
      roots: machineRoots(),
      claims,
      watch: this.usb.watch,
      source: (device) => this.usb.source(device, log, claims),
    });
  }

  /** Rejects with WrongUsage, AccessDenied, Failed or a LinkError; then nothing is left behind. */
  static async start(request: ServeRequest, logs: RoomLogs): Promise<Serving> {
    const file = request.config === undefined ? undefined : ConfigurationFile.read(request.config);
    const folder = new StateFolder(request.stateFolder ?? file?.configuration.state);
    logs.level({ ...file?.configuration.log, ...request.log });
    const ring = ringThread({
      lookUs: request.ring?.lookUs ?? file?.configuration.ring?.look,
      cpu: request.ring?.cpu ?? file?.configuration.ring?.cpu,
    });
    const trace = request.trace === undefined ? undefined : new TraceFile(request.trace);
    let serving: Serving | undefined;
    const kept = await openStates(folder, logs.room("daemon"), () => serving?.rules.changedElsewhere());
    serving = new Serving(request, file, logs, folder, kept, trace, ring);
    try {
      serving.#control = await serving.#openControl(file);
      await serving.hardware.start();
      await serving.#become(file);
    } catch (error) {
      serving.#control?.stop();
      await serving.hardware.close();
      await serving.gadgets.close();
      await closeStates(kept);
      throw error;
    }
    kept.rules.tell();
    kept.binds.tell();
    serving.#tellUnclaimed();
    return serving;
  }

  /** Where it listens, as a person writes it. */
  get addresses(): readonly string[] {
    return this.host.addresses;
  }

  /** Where rules and binds are kept. */
  get stateFolder(): string {
    return this.#folder.path;
  }

  get busids(): readonly string[] {
    const busids = Array.from(this.exports.devices(), ({ busid }) => busid);
    // Those of the machine in the order of their ports, whichever was found first.
    const hardware = this.hardware.list().map(({ busid }) => busid);
    return [
      ...hardware.filter((busid) => busids.includes(busid)),
      ...busids.filter((busid) => !hardware.includes(busid)),
    ];
  }

  /** What a person has to know of single devices, with their bus ids. */
  get notes(): readonly string[] {
    return this.gadgets.notes;
  }

  /** Where the control API is served. */
  get control(): readonly string[] {
    return this.#control?.addresses ?? [];
  }

  /** The URL of the dashboard, if it is served. */
  get dashboard(): string | undefined {
    return this.#control?.dashboard;
  }

  /** Where the token for it stands, if it is served over TCP. */
  get tokenPath(): string | undefined {
    return this.#control?.tokenPath;
  }

  /** Whom it dials. */
  get guests(): readonly string[] {
    return this.#guests.places;
  }

  /**
   * Reads the configuration again. Sessions go on; a gadget that is gone from it is withdrawn, and closed when
   * nobody has it. Rejects, and logs why, if anything in it is wrong: then all is as it was.
   */
  reload(): Promise<Reload> {
    const reload = this.#reloading.then(() => this.#reloadOnce());
    this.#reloading = reload.catch(() => {});
    return reload;
  }

  /** Other rules hold, or other devices are bound, than before. */
  reconsider(): void {
    void this.hardware.reconsider();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#reloading;
    this.#guests.stop();
    this.#control?.refuseNew();
    await this.host.stop(this.#plan.drainMs);
    await this.hardware.close();
    await this.gadgets.close();
    await closeStates(this.#kept);
    this.#control?.stop();
    this.#trace?.write();
  }

  #tellUnclaimed(): void {
    for (const address of this.#request.handed?.unclaimed ?? []) {
      this.#logs
        .room("links")
        .warn(
          { code: "SOCKET_UNUSED", address },
          `SOCKET_UNUSED ${address} was opened for this host, which is not told to listen there: whoever connects waits ` +
            "in vain. Name it under listen, or take it from the socket unit.",
        );
    }
  }

  async #reloadOnce(): Promise<Reload> {
    const log = this.#logs.room("daemon");
    const started = this.#file;
    if (this.#isStopping)
      throw new Failed("this host is stopping: start it again to read its configuration.");
    if (started === undefined) {
      throw new WrongUsage("this host was started without --config FILE, so there is nothing to read again.");
    }
    try {
      const file = ConfigurationFile.read(started.path);
      const changed = await this.#become(file);
      const restart = (["state", "control", "dashboard", "ring"] as const).filter(
        (key) => JSON.stringify(file.configuration[key]) !== JSON.stringify(started.configuration[key]),
      );
      const what = changed.length === 0 ? "nothing has changed" : changed.join(", ");
      const later = restart.length === 0 ? "" : `; restart it for a new ${restart.join(" and ")}`;
      log.info({ code: "RELOADED", changed, restart }, `RELOADED ${file.path}: ${what}${later}`);
      return { changed, restart };
    } catch (error) {
      if (failureKind(error) === "defect") throw error;
      const { message } = error as Error;
      log.warn({ code: "RELOAD_REFUSED" }, `RELOAD_REFUSED everything is as it was: ${message}`);
      throw error;
    }
  }

  /** What can fail comes first, and is undone. */
  async #become(file: ConfigurationFile | undefined): Promise<readonly string[]> {
    const before = this.#plan;
    const named = await this.#nicknames(file);
    const plan = planServe(this.#request, file, named, (link, rules) => this.rules.mayAdmit(link, rules));
    const gadgets = await this.#served.open(plan.gadgets);
    let places: OpenedPlaces;
    try {
      places = await this.host.open(missing(plan.listen, before.listen));
    } catch (error) {
      await gadgets.abandon();
      throw error;
    }

    this.#plan = plan;
    this.#logs.level(plan.log);
    this.rules.configure(plan.rules);
    const changed = gadgets.adopt();
    for (const address of missing(before.listen, plan.listen)) this.host.close(address);
    places.adopt();
    this.#guests.follow(plan.connect);
    await this.hardware.name(plan.devices);
    return [...changed, ...differences(before, plan)];
  }

  /** What the devices that are asked for stand for. */
  async #nicknames(file: ConfigurationFile | undefined): Promise<ReadonlyMap<string, string>> {
    const texts = this.#request.devices ?? file?.configuration.devices ?? [];
    const named = texts.map(async (text) => [text, await deviceNamed(text, this.#folder)] as const);
    return new Map(await Promise.all(named));
  }

  #openControl(file: ConfigurationFile | undefined): Promise<ControlServer> {
    const { control, dashboard = "off" } = file?.configuration ?? {};
    const asked = this.#request.control ?? (control?.socket === undefined ? undefined : [control.socket]);
    const places = asked === undefined ? [serveControl()] : asked.map(readControlPlace);
    return ControlServer.start({
      role: "serve",
      places: places.filter((place) => place !== undefined),
      dashboard: readDashboardPlace(this.#request.dashboard ?? dashboard),
      group: this.#request.controlGroup ?? control?.group,
      load: async () => (await import("./api/host-app.ts")).hostApp(this, this.#logs.room("daemon")),
    });
  }

  #dialler(address: LinkAddress): Dialler {
    const log = this.#logs.room("links");
    return new Dialler(address, this.host, this.exports, this.#loop, log, Math.random, this.#trust);
  }
}

/** Throws a SystemError. */
function openPlane(
  { dataPlane }: ServeRequest,
  log: Log,
  trace: UrbTrace | undefined,
  processors: readonly number[] | undefined,
): DataPlane | undefined {
  if (dataPlane === "main") return undefined;
  const plane = DataPlane.start(log, HOST_LIMITS, trace, processors);
  if (!(plane instanceof SystemError)) return plane;
  // Without FFI there is none; every other failure would meet the rest of the host too.
  if (dataPlane === "worker" || plane.code !== "ENOSYS") throw plane;
  return undefined;
}

/** Those of `these` that `others` lack. */
function missing<T>(these: ReadonlyMap<string, T>, others: ReadonlyMap<string, T>): readonly T[] {
  return Array.from(these)
    .filter(([key]) => !others.has(key))
    .map(([, value]) => value);
}
