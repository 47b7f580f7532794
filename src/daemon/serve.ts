import { createGadget, GadgetSpecificationError, parseGadgetSpec } from "../gadgets/catalog.ts";
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
}

/** A host that runs. */
export interface Serving {
  readonly addresses: readonly string[];
  readonly busids: readonly string[];
  stop(): Promise<void>;
}

/** Starts a host; rejects with WrongUsage, AccessDenied or a LinkError. */
export async function serve(request: ServeRequest, log: Log): Promise<Serving> {
  const exports = new ExportTable();
  for (const text of request.gadgets) {
    const specification = parseGadgetSpec(text);
    if (specification instanceof GadgetSpecificationError) {
      throw new WrongUsage(`gadget "${text}": ${specification.message}`);
    }
    exports.add(specification.kind, createGadget(specification));
  }
  const places = request.listen.map((text) => listenPlace(text, "host"));
  const guests = request.connect.map(dialPlace);
  const loop = new LibuvLoop();
  const host = new Host(exports, loop, log);
  await host.listen(places);
  const diallers = guests.map((guest) => new Dialler(guest, host, exports, loop, log));
  for (const dialler of diallers) dialler.start();
  return {
    addresses: host.addresses,
    busids: Array.from(exports.devices(), (exported) => exported.busid),
    stop: () => {
      for (const dialler of diallers) dialler.stop();
      return host.stop();
    },
  };
}
