import { ExportTable } from "../../src/daemon/export-table.ts";
import { Host } from "../../src/daemon/host.ts";
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import { openLog } from "../../src/daemon/log.ts";
import { Zero } from "../../src/gadgets/zero.ts";
import { report } from "./collections.ts";

/** The host as `usbferry serve --gadget zero` runs it, on a free port. */
const exports = new ExportTable();
exports.add("zero", new Zero());
const log = openLog(false);
const host = new Host(exports, new LibuvLoop(), {
  info: () => {},
  warn: (fields, message) => log.warn(fields, message),
});
await host.listen([{ kind: "tcp", host: "127.0.0.1", port: 0 }]);
report(Number(host.addresses[0]!.split(":").at(-1)));
