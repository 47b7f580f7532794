import type { EventLog } from "./event-log.ts";
import type { ExportTable } from "./export-table.ts";
import type { GadgetRack } from "./gadget-rack.ts";
import type { HardwareRack } from "./hardware/hardware-rack.ts";
import type { UsbBackend } from "./hardware/usb-backend.ts";
import type { RingThread } from "./ring/ring-thread.ts";
import type { Policy } from "./rules/rule-book.ts";
import type { SessionRegistry } from "./session-registry.ts";
import type { KeptNicknames } from "./state/kept-nicknames.ts";

/** What reading the configuration again has changed. */
export interface Reload {
  /** In words, for people; empty if nothing was. */
  readonly changed: readonly string[];
  /** Keys whose new value holds after a restart. */
  readonly restart: readonly string[];
}

/** What can be seen and changed of a running host. */
export interface HostControl {
  /** ISO 8601 */
  readonly since: string;
  /** Where it shares devices. */
  readonly addresses: readonly string[];
  /** Waiting guests that it dials. */
  readonly guests: readonly string[];
  readonly exports: ExportTable;
  readonly sessions: SessionRegistry;
  readonly events: EventLog;
  readonly gadgets: GadgetRack;
  readonly hardware: HardwareRack;
  /** By what real devices are known. */
  readonly usb: Pick<UsbBackend, "name" | "version">;
  readonly rules: Policy;
  readonly nicknames: KeptNicknames;
  /** How the thread of the rings waits, and where it runs. */
  readonly ring: RingThread;
  /** Where rules are kept. */
  readonly stateFolder: string;
  /** Reads the configuration again; rejects with WrongUsage or Failed, and then nothing has changed. */
  reload(): Promise<Reload>;
}
