import { ExportTable } from "../../src/daemon/export-table.ts";
import { Host } from "../../src/daemon/host.ts";
import { HOST_LIMITS, type HostLimits } from "../../src/daemon/host-limits.ts";
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import { createGadget } from "../../src/gadgets/catalog.ts";
import { Speed } from "../../src/usb/speed.ts";

/**
 * A host in a process of its own, so that its memory is its own and its end is seen. Started by `RunningHost`, with
 * the limits that differ and the number of gadgets.
 */
const [limits, gadgets] = JSON.parse(process.argv[2]!) as [Partial<HostLimits>, number];

const exports = new ExportTable();
for (let i = 0; i < gadgets; i++) {
  exports.add("zero", createGadget({ kind: "zero", speed: Speed.high, pattern: 63 }));
}
/** A parent that is gone needs to know nothing. */
const tell = (message: object) => void process.send!(message, undefined, {}, () => {});
const report = (fields: object, message: string) => tell({ ...fields, message });
const host = new Host(
  exports,
  new LibuvLoop(),
  { info: report, warn: report },
  { ...HOST_LIMITS, ...limits },
);
await host.listen([{ kind: "tcp", host: "127.0.0.1", port: 0 }]);
process.on("message", () => {
  const { rss, arrayBuffers } = process.memoryUsage();
  tell({ rss, arrayBuffers });
});
process.on("disconnect", () => process.exit());
tell({ listening: host.addresses[0] });
