import type { EventLog } from "./event-log.ts";
import type { ExportTable } from "./export-table.ts";
import type { GadgetRack } from "./gadget-rack.ts";
import type { SessionRegistry } from "./session-registry.ts";

/** What can be seen and changed of a running host. */
export interface HostControl {
  /** ISO 8601 */
  readonly since: string;
  /** Where it shares devices. */
  readonly addresses: readonly string[];
  readonly exports: ExportTable;
  readonly sessions: SessionRegistry;
  readonly events: EventLog;
  readonly gadgets: GadgetRack;
  /** Reads the configuration again; rejects with WrongUsage or Failed, and then nothing has changed. */
  reload(): Promise<void>;
}
