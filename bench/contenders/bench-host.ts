import type { PlaneGadget } from "../../src/daemon/data-plane/plane-gadget.ts";
import { ExportTable } from "../../src/daemon/export-table.ts";
import { Host } from "../../src/daemon/host.ts";
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import { type Log, openLog } from "../../src/daemon/log.ts";
import type { UsbDevice } from "../../src/usb/device.ts";

const log = openLog(false);

/** What goes wrong, and nothing else. */
export const warnings: Log = {
  info: () => {},
  warn: (fields, message) => log.warn(fields, message),
};

/** Shares one device on a free port of this machine and gives the port. */
export async function startHost(device: UsbDevice | PlaneGadget): Promise<number> {
  const exports = new ExportTable();
  exports.add("zero", device);
  const host = new Host(exports, new LibuvLoop(), warnings);
  await host.listen([{ kind: "tcp", host: "127.0.0.1", port: 0 }]);
  return Number(host.addresses[0]!.split(":").at(-1));
}
