import { SystemError } from "../linux/system-error.ts";
import { type ControlPlace, readControlPlace, serveControl } from "./api/control-place.ts";
import { ControlServer } from "./api/control-server.ts";
import { DataPlane } from "./data-plane/data-plane.ts";
import { Dialler } from "./dialler.ts";
import { EventLog } from "./event-log.ts";
import { ExportTable } from "./export-table.ts";
import { Failed } from "./failure.ts";
import { GadgetRack } from "./gadget-rack.ts";
import { Host } from "./host.ts";
import type { HostControl } from "./host-control.ts";
import { HOST_LIMITS } from "./host-limits.ts";
import { LibuvLoop } from "./libuv-loop.ts";
import type { Log } from "./log.ts";
import { dialPlace, listenPlace } from "./place.ts";
import { SessionRegistry } from "./session-registry.ts";

export { GADGET_KINDS, type GadgetKind } from "../gadgets/catalog.ts";

/** What a host is to share, and where: the texts of the command line. */
export interface ServeRequest {
  readonly listen: readonly string[];
  /** Waiting guests to dial. */
  readonly connect: readonly string[];
  readonly gadgets: readonly string[];
  /** Which thread carries gadgets that need no event loop. Default: a worker where that is possible. */
  readonly dataPlane?: "worker" | "main";
  /** Where the control API is served; nothing: at the place of this user, if there is one. */
  readonly control?: readonly string[] | undefined;
  /** Who may use its unix sockets beside this user. */
  readonly controlGroup?: string | undefined;
}

/** A host that runs. */
export interface Serving {
  readonly addresses: readonly string[];
  readonly busids: readonly string[];
  /** What a person has to know of single devices, with their bus ids. */
  readonly notes: readonly string[];
  /** Where the control API is served. */
  readonly control: readonly string[];
  /** Where the token for it stands, if it is served over TCP. */
  readonly tokenPath: string | undefined;
  stop(): Promise<void>;
}

/** Starts a host; rejects with WrongUsage, AccessDenied, Failed, a LinkError or a SystemError. */
export async function serve(request: ServeRequest, log: Log): Promise<Serving> {
  const places = request.listen.map((text) => listenPlace(text, "host"));
  const guests = request.connect.map(dialPlace);
  const controls = controlPlaces(request);
  const events = new EventLog();
  const exports = new ExportTable(events);
  const sessions = new SessionRegistry(events);
  const loop = new LibuvLoop();
  const host = new Host(exports, loop, log, HOST_LIMITS, sessions);
  const gadgets = new GadgetRack(exports, sessions, loop, log, () => openPlane(request.dataPlane, log));
  for (const text of request.gadgets) gadgets.check(text);
  const control: HostControl = {
    since: new Date().toISOString(),
    get addresses() {
      return host.addresses;
    },
    exports,
    sessions,
    events,
    gadgets,
    async reload() {
      throw new Failed("this host was started without a configuration file. Start it again to change it.");
    },
  };
  const notes: string[] = [];
  let server: ControlServer;
  try {
    for (const text of request.gadgets) {
      // One after the other: their order is that of the bus ids, and the first failure is the one to tell.
      // oxlint-disable-next-line no-await-in-loop
      const { busid, note } = await gadgets.plug(text);
      if (note !== undefined) notes.push(`${busid}: ${note}`);
    }
    server = await ControlServer.start({
      role: "serve",
      places: controls,
      group: request.controlGroup,
      load: async () => (await import("./api/host-app.ts")).hostApp(control, log),
    });
    await host.listen(places).catch((error: unknown) => {
      server.stop();
      throw error;
    });
  } catch (error) {
    await gadgets.close();
    throw error;
  }
  const diallers = guests.map((guest) => new Dialler(guest, host, exports, loop, log));
  for (const dialler of diallers) dialler.start();
  return {
    addresses: host.addresses,
    busids: Array.from(exports.devices(), (exported) => exported.busid),
    notes,
    control: server.addresses,
    tokenPath: server.tokenPath,
    async stop() {
      for (const dialler of diallers) dialler.stop();
      server.refuseNew();
      await host.stop();
      await gadgets.close();
      server.stop();
    },
  };
}

function openPlane(wanted: ServeRequest["dataPlane"], log: Log): DataPlane | undefined {
  if (wanted === "main") return undefined;
  const plane = DataPlane.start(log);
  if (!(plane instanceof SystemError)) return plane;
  // Without FFI there is none; every other failure would meet the rest of the host too.
  if (wanted === "worker" || plane.code !== "ENOSYS") throw plane;
  return undefined;
}

function controlPlaces({ control }: ServeRequest): readonly ControlPlace[] {
  const places = control === undefined ? [serveControl()] : control.map(readControlPlace);
  return places.filter((place) => place !== undefined);
}
