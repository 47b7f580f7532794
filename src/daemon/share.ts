import type { UsbDevice } from "../usb/device.ts";
import { ExportTable } from "./export-table.ts";
import { Host } from "./host.ts";
import { LibuvLoop } from "./libuv-loop.ts";
import { type Log, openLog } from "./log.ts";
import { listenPlace } from "./place.ts";
import { StateFolder } from "./state/state-folder.ts";
import { Trust } from "./trust.ts";

export interface ShareOptions {
  /** As for `usbferry serve --listen`. Default: `tcp:127.0.0.1:3240`. */
  readonly listen?: string;
  /** Default: lines on standard error. */
  readonly log?: Log;
}

/** Devices that are shared until `stop`. */
export interface Sharing {
  /** Where it listens: with the port, if the system chose it. */
  readonly address: string;
  stop(): Promise<void>;
}

/**
 * Shares devices of this program with any USB/IP client, each under the bus id that is its key. Rejects with
 * an error whose message says what to do.
 */
export async function share(
  devices: Readonly<Record<string, UsbDevice>>,
  options: ShareOptions = {},
): Promise<Sharing> {
  const exports = new ExportTable();
  for (const [busid, device] of Object.entries(devices)) exports.add(busid, device);
  const place = listenPlace(options.listen ?? "tcp:127.0.0.1:3240", "host");
  const log = options.log ?? openLog(false);
  const trust = new Trust(new StateFolder());
  const host = new Host(exports, new LibuvLoop(), log, undefined, undefined, undefined, undefined, trust);
  await host.listen([place]);
  return { address: host.addresses[0]!, stop: () => host.stop() };
}
