import { GadgetSpecificationError, parseGadgetSpec } from "../gadgets/catalog.ts";
import { SystemError } from "../linux/system-error.ts";
import { type PluggedGadget, plugGadget, standsAlone } from "./backing/plugged-gadget.ts";
import { DataPlane } from "./data-plane/data-plane.ts";
import { Dialler } from "./dialler.ts";
import { ExportTable } from "./export-table.ts";
import { WrongUsage } from "./failure.ts";
import { Host } from "./host.ts";
import { LibuvLoop } from "./libuv-loop.ts";
import type { Log } from "./log.ts";
import { dialPlace, listenPlace } from "./place.ts";

export { GADGET_KINDS, type GadgetKind } from "../gadgets/catalog.ts";

/** What a host is to share, and where: the texts of the command line. */
export interface ServeRequest {
  readonly listen: readonly string[];
  /** Waiting guests to dial. */
  readonly connect: readonly string[];
  readonly gadgets: readonly string[];
  /** Which thread carries gadgets that need no event loop. Default: a worker where that is possible. */
  readonly dataPlane?: "worker" | "main";
}

/** A host that runs. */
export interface Serving {
  readonly addresses: readonly string[];
  readonly busids: readonly string[];
  /** What a person has to know of single devices, with their bus ids. */
  readonly notes: readonly string[];
  stop(): Promise<void>;
}

/** Starts a host; rejects with WrongUsage, AccessDenied, a LinkError or a SystemError. */
export async function serve(request: ServeRequest, log: Log): Promise<Serving> {
  const specifications = request.gadgets.map((text) => {
    const specification = parseGadgetSpec(text);
    if (specification instanceof GadgetSpecificationError) {
      throw new WrongUsage(`gadget "${text}": ${specification.message}`);
    }
    return specification;
  });
  const places = request.listen.map((text) => listenPlace(text, "host"));
  const guests = request.connect.map(dialPlace);
  const exports = new ExportTable();
  const plugged: PluggedGadget[] = [];
  const notes: string[] = [];
  const loop = new LibuvLoop();
  const host = new Host(exports, loop, log);
  const plane = specifications.some(standsAlone) ? openPlane(request.dataPlane, log) : undefined;
  try {
    for (const specification of specifications) {
      // One after the other: their order is that of the bus ids, and the first failure is the one to tell.
      // oxlint-disable-next-line no-await-in-loop
      const gadget = await plugGadget(specification, loop, log, plane);
      plugged.push(gadget);
      const { busid } = exports.add(specification.kind, gadget.device);
      if (gadget.note !== undefined) notes.push(`${busid}: ${gadget.note}`);
    }
    await host.listen(places);
  } catch (error) {
    await Promise.allSettled(plugged.map((gadget) => gadget.close()));
    await plane?.stop();
    throw error;
  }
  const diallers = guests.map((guest) => new Dialler(guest, host, exports, loop, log));
  for (const dialler of diallers) dialler.start();
  return {
    addresses: host.addresses,
    busids: Array.from(exports.devices(), (exported) => exported.busid),
    notes,
    async stop() {
      for (const dialler of diallers) dialler.stop();
      await host.stop();
      await Promise.all(plugged.map((gadget) => gadget.close()));
      await plane?.stop();
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
