import { DataPlane } from "../../src/daemon/data-plane/data-plane.ts";
import { ExportTable } from "../../src/daemon/export-table.ts";
import { Host } from "../../src/daemon/host.ts";
import { HOST_LIMITS, type HostLimits } from "../../src/daemon/host-limits.ts";
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import { createGadget, type GadgetSpecification } from "../../src/gadgets/catalog.ts";
import { Speed } from "../../src/usb/speed.ts";

/**
 * A host in a process of its own, so that its memory is its own and its end is seen. Started by `RunningHost`, with
 * the limits that differ, the number of gadgets and the thread where they live.
 */
const [some, gadgets, place] = JSON.parse(process.argv[2]!) as [
  Partial<HostLimits>,
  number,
  "main" | "worker",
];
const limits = { ...HOST_LIMITS, ...some };

/** A parent that is gone needs to know nothing. */
const tell = (message: object) => void process.send!(message, undefined, {}, () => {});
const report = (fields: object, message: string) => tell({ ...fields, message });
const log = { info: report, warn: report };
const plane = place === "worker" ? DataPlane.start(log, limits) : undefined;
if (plane instanceof Error) throw plane;
const exports = new ExportTable();
const ZERO: GadgetSpecification = { kind: "zero", speed: Speed.high, pattern: 63 };
for (let i = 0; i < gadgets; i++) exports.add("zero", plane?.plug(ZERO) ?? createGadget(ZERO));
const host = new Host(exports, new LibuvLoop(), log, limits);
await host.listen([{ kind: "tcp", host: "127.0.0.1", port: 0 }]);
process.on("message", () => {
  const { rss, arrayBuffers } = process.memoryUsage();
  if (plane === undefined) tell({ rss, arrayBuffers });
  else void plane.memory().then(({ used }) => tell({ rss, arrayBuffers: arrayBuffers + used }));
});
process.on("disconnect", () => process.exit());
tell({ listening: host.addresses[0] });
