import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { askAgent } from "../../../src/daemon/agent-client.ts";
import type { AgentState } from "../../../src/daemon/agent-state.ts";
import {
  type AttachedDevice,
  attach,
  attachFromWaiting,
  attachUnguarded,
  keepAttached,
} from "../../../src/daemon/attach.ts";
import type { AutoAnswer } from "../../../src/daemon/auto/auto-attach.ts";

/** An `attach` whose arguments can travel as JSON. */
export function attachGuarded(
  agent: readonly string[],
  address: string,
  device: string,
): Promise<AttachedDevice> {
  return attach(agent, address, device, new AbortController().signal);
}

/** The same for `attach --direct`. */
export function attachDirect(address: string, device: string): Promise<AttachedDevice> {
  return attachUnguarded(address, device, new AbortController().signal);
}

/** The same for `attach --listen`; every device is welcome where none is named. */
export function attachWaiting(
  agent: readonly string[],
  address: string,
  device: string | null,
): Promise<AttachedDevice> {
  return attachFromWaiting(agent, address, device ?? undefined, new AbortController().signal);
}

/** Ends the agent as a service manager would, and waits until it is gone. */
export async function endAgent(signal: NodeJS.Signals = "SIGTERM"): Promise<number | undefined> {
  const agent = await askAgent<AgentState>({ method: "GET", path: "/v1/state" });
  if (agent === undefined) return undefined;
  const { pid } = agent;
  process.kill(pid, signal);
  for (let tries = 0; tries < 500 && existsSync(`/proc/${pid}`); tries++) await sleep(20);
  return pid;
}

/** The same for `attach --auto`. */
export function keep(
  agent: readonly string[],
  address: string,
  named: readonly string[],
  hook: string,
): Promise<AutoAnswer> {
  const request = { address, named, onAttach: hook, onDetach: hook };
  return keepAttached(agent, request, new AbortController().signal);
}

/** What the agent says of itself. */
export async function agentState(): Promise<AgentState | undefined> {
  return askAgent<AgentState>({ method: "GET", path: "/v1/state" });
}
