import type { Measured } from "../figures/metrics.ts";
import type { HealthCheck } from "../health.ts";
import type { Log } from "../log.ts";
import type { AgentState } from "./documents/attachment.ts";
import type { Given } from "./documents/document.ts";
import type { HostState } from "./documents/host.ts";

/** What every daemon has. */
export interface Watched extends Measured {
  readonly log: Log;
  state(): Promise<Given<typeof HostState.static>> | Given<typeof AgentState.static>;
  checks(): Promise<readonly HealthCheck[]>;
}
