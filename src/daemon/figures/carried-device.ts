import type { TransferLook } from "../../usb/transfer-look.ts";
import type { DeviceIdentity } from "../device-event.ts";

/** A look at what a session has carried, from any thread: `TransferCounters` over its shared block. */
export interface SessionCounters {
  look(): TransferLook;
}

/** A device that somebody has, and where its URBs are counted. */
export interface CarriedDevice {
  readonly device: DeviceIdentity;
  /** Of a host: the session that has it. */
  readonly session?: string;
  /** Of an agent: the port of this kernel. */
  readonly port?: number;
  /** The other side: a guest, or for an agent the host as it was named. */
  readonly peer: string;
  /** What carries it: `tcp`, `unix`, ... */
  readonly link: string;
  /** ISO 8601 */
  readonly since: string;
  readonly counters: SessionCounters;
}

/** The same for every session of a device, and for no other device: a host may name its own as another one does. */
export function carriedName({ device, port, peer }: Pick<CarriedDevice, "device" | "port" | "peer">): string {
  return port === undefined ? device.busid : `${device.busid} of ${peer}`;
}
