import type { GadgetSpecification } from "../gadgets/catalog.ts";
import { SystemError } from "../linux/system-error.ts";
import type { Loop } from "../usb/loop.ts";
import { type PluggedGadget, plugGadget, standsAlone } from "./backing/plugged-gadget.ts";
import { ConfigurationFile } from "./configuration/configuration.ts";
import { DataPlane } from "./data-plane/data-plane.ts";
import { Dialler } from "./dialler.ts";
import { ExportTable } from "./export-table.ts";
import { Failed, failureKind, WrongUsage } from "./failure.ts";
import { Host, type OpenedPlaces } from "./host.ts";
import { HOST_LIMITS } from "./host-limits.ts";
import { LibuvLoop } from "./libuv-loop.ts";
import type { Log, RoomLogs } from "./log.ts";
import { Gate } from "./rules/gate.ts";
import { type OpenRules, openRules } from "./rules/open-rules.ts";
import { printRule } from "./rules/rule.ts";
import { RuleBook } from "./rules/rule-book.ts";
import { type PlannedGadget, planServe, type ServePlan, type ServeRequest } from "./serve-plan.ts";
import { StateFolder } from "./state/state-folder.ts";

/** What reading the configuration again has changed. */
export interface Reload {
  /** In words, for people; empty if nothing was. */
  readonly changed: readonly string[];
  /** Keys whose new value holds after a restart. */
  readonly restart: readonly string[];
}

interface ServedGadget extends PlannedGadget {
  readonly busid: string;
  readonly plugged: PluggedGadget;
}

/** A host that runs. */
export class Serving {
  readonly exports = new ExportTable();
  readonly host: Host;
  /** Who may have what; changed while the host runs. */
  readonly rules: RuleBook;
  readonly #request: ServeRequest;
  readonly #logs: RoomLogs;
  readonly #loop: Loop = new LibuvLoop();
  readonly #openRules: OpenRules;
  /** What it was started with; some of it holds until its end. */
  readonly #file: ConfigurationFile | undefined;
  #plan: ServePlan;
  #gadgets: readonly ServedGadget[] = [];
  readonly #diallers = new Map<string, Dialler>();
  /** Gadgets that were withdrawn while a session had them. */
  readonly #leaving = new Set<Promise<void>>();
  #reloading: Promise<unknown> = Promise.resolve();
  #isStopping = false;
  /** The worker, once there is a gadget for it. */
  #plane: DataPlane | undefined;

  private constructor(
    request: ServeRequest,
    file: ConfigurationFile | undefined,
    logs: RoomLogs,
    rules: OpenRules,
    book: RuleBook,
  ) {
    this.#request = request;
    this.#file = file;
    this.#logs = logs;
    this.#openRules = rules;
    this.rules = book;
    this.#plan = EMPTY;
    const trace = logs.room("rules");
    const gate = new Gate(book, logs.room("audit"), (fields, line) => trace.debug(fields, line));
    this.host = new Host(this.exports, this.#loop, logs.room("usbip"), HOST_LIMITS, gate);
  }

  /** Rejects with WrongUsage, AccessDenied, Failed or a LinkError; then nothing is left behind. */
  static async start(request: ServeRequest, logs: RoomLogs): Promise<Serving> {
    const file = request.config === undefined ? undefined : ConfigurationFile.read(request.config);
    const folder = new StateFolder(request.stateFolder ?? file?.configuration.state);
    logs.level({ ...file?.configuration.log, ...request.log });
    const rules = await openRules(folder, logs.room("daemon"));
    const serving = new Serving(request, file, logs, rules, new RuleBook(rules.store));
    try {
      await serving.#become(file);
    } catch (error) {
      await serving.#plane?.stop();
      await rules.close();
      throw error;
    }
    rules.tell();
    return serving;
  }

  /** Where it listens, as a person writes it. */
  get addresses(): readonly string[] {
    return this.host.addresses;
  }

  get busids(): readonly string[] {
    return Array.from(this.exports.devices(), ({ busid }) => busid);
  }

  /** What a person has to know of single devices, with their bus ids. */
  get notes(): readonly string[] {
    return this.#gadgets.flatMap(({ busid, plugged: { note } }) =>
      note === undefined ? [] : [`${busid}: ${note}`],
    );
  }

  /** Whom it dials. */
  get guests(): readonly string[] {
    return Array.from(this.#diallers.keys());
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

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#reloading;
    for (const dialler of this.#diallers.values()) dialler.stop();
    await this.host.stop(this.#plan.drainMs);
    await Promise.all([...this.#leaving, ...this.#gadgets.map(({ plugged }) => plugged.close())]);
    await this.#plane?.stop();
    await this.#openRules.close();
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
      const restart = (["state", "control"] as const).filter(
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
    const plan = planServe(this.#request, file, (link, rules) => this.rules.mayAdmit(link, rules));
    const { kept, gone, added } = sortGadgets(this.#gadgets, plan.gadgets);
    const plugged: (readonly [PlannedGadget, PluggedGadget])[] = [];
    let places: OpenedPlaces;
    try {
      for (const gadget of added) {
        // One after the other: their order is that of the bus ids, and the first failure is the one to tell.
        // oxlint-disable-next-line no-await-in-loop
        const opened = await this.#plug(gadget.specification);
        plugged.push([gadget, opened]);
      }
      places = await this.host.open(missing(plan.listen, before.listen));
    } catch (error) {
      await Promise.allSettled(plugged.map(([, gadget]) => gadget.close()));
      throw error;
    }

    const changed: string[] = [];
    this.#plan = plan;
    this.#logs.level(plan.log);
    this.rules.configure(plan.rules);
    for (const gadget of gone) {
      this.#withdraw(gadget);
      changed.push(`withdrew ${gadget.busid}`);
    }
    const shared = plugged.map(([planned, gadget]): ServedGadget => {
      const { kind, serial } = planned.specification;
      const { busid } = this.exports.add(kind, gadget.device, serial);
      changed.push(`shares ${busid}`);
      const { text, specification } = planned;
      return { text, specification, busid, plugged: gadget };
    });
    this.#gadgets = [...kept, ...shared];
    for (const address of missing(before.listen, plan.listen)) this.host.close(address);
    places.adopt();
    this.#dial(plan);
    return [...changed, ...differences(before, plan)];
  }

  #plug(specification: GadgetSpecification): Promise<PluggedGadget> {
    if (standsAlone(specification)) this.#plane ??= openPlane(this.#request, this.#logs.room("usbip"));
    return plugGadget(specification, this.#loop, this.#logs.room("gadgets"), this.#plane);
  }

  #withdraw({ busid, plugged }: ServedGadget): void {
    const log = this.#logs.room("gadgets");
    const leaving = this.exports
      .withdraw(busid)
      .then(() => plugged.close())
      .catch((error: Error) =>
        log.warn({ code: "STORE_FAILED", busid }, `STORE_FAILED ${busid}: ${error.message}`),
      )
      .finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }

  #dial({ connect }: ServePlan): void {
    for (const [place, dialler] of this.#diallers) {
      if (connect.has(place)) continue;
      dialler.stop();
      this.#diallers.delete(place);
    }
    for (const [place, address] of connect) {
      if (this.#diallers.has(place)) continue;
      const dialler = new Dialler(address, this.host, this.exports, this.#loop, this.#logs.room("links"));
      this.#diallers.set(place, dialler);
      dialler.start();
    }
  }
}

const EMPTY: ServePlan = {
  listen: new Map(),
  connect: new Map(),
  gadgets: [],
  rules: [],
  log: {},
  drainMs: HOST_LIMITS.drainMs,
};

/** Throws a SystemError. */
function openPlane({ dataPlane }: ServeRequest, log: Log): DataPlane | undefined {
  if (dataPlane === "main") return undefined;
  const plane = DataPlane.start(log);
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

/** A text that stands there twice is two gadgets. */
function sortGadgets(
  served: readonly ServedGadget[],
  planned: readonly PlannedGadget[],
): { kept: readonly ServedGadget[]; gone: readonly ServedGadget[]; added: readonly PlannedGadget[] } {
  const added = [...planned];
  const kept: ServedGadget[] = [];
  const gone: ServedGadget[] = [];
  for (const gadget of served) {
    const at = added.findIndex(({ text }) => text === gadget.text);
    if (at < 0) gone.push(gadget);
    else {
      added.splice(at, 1);
      kept.push(gadget);
    }
  }
  return { kept, gone, added };
}

/** Of everything but gadgets, in words. */
const DIFFERENCES: readonly (readonly [words: string, of: (plan: ServePlan) => unknown])[] = [
  ["listens elsewhere", ({ listen }) => Array.from(listen.keys())],
  ["dials others", ({ connect }) => Array.from(connect.keys())],
  ["has other rules", ({ rules }) => rules.map(printRule)],
  ["logs at other levels", ({ log }) => log],
  ["drains for another time", ({ drainMs }) => drainMs],
];

function differences(before: ServePlan, after: ServePlan): readonly string[] {
  return DIFFERENCES.filter(([, of]) => JSON.stringify(of(before)) !== JSON.stringify(of(after))).map(
    ([words]) => words,
  );
}
