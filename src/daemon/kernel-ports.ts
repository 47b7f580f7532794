import { kernelDevice } from "../vhci/kernel-device.ts";
import { PortState, type PortStatus } from "../vhci/port-status.ts";
import type { Vhci } from "../vhci/vhci.ts";
import type { AgentState } from "./agent-state.ts";

/** A port of this kernel that is in use, without what only the device itself could tell. */
export interface KernelPort {
  readonly port: number;
  readonly state: "attached" | "attaching" | "error";
  readonly speed: string;
  readonly sysfsName?: string;
  readonly node?: string;
  /** `agent`: ours, with a guard. `other`: the socket is the kernel's, from `--direct` or another program. */
  readonly by: "agent" | "other";
  /** Known for ours alone. */
  readonly address?: string;
  readonly busid?: string;
}

export interface KernelPorts {
  readonly ports: readonly KernelPort[];
  readonly waiting: AgentState["waiting"];
}

const SPEEDS: readonly string[] = ["unknown", "low", "full", "high", "wireless", "super", "super-plus"];

/** What is attached, by whomever; throws a VhciError without the kernel's module. */
export function kernelPorts(vhci: Vhci, agent: AgentState | undefined): KernelPorts {
  const ports = vhci
    .ports()
    .filter(isInUse)
    .map((status) => describe(status, agent));
  return { ports, waiting: agent?.waiting ?? [] };
}

export function isInUse({ state }: PortStatus): boolean {
  return state === PortState.NOT_ADDRESSED || state === PortState.USED || state === PortState.ERROR;
}

function describe(status: PortStatus, agent: AgentState | undefined): KernelPort {
  const { port, sysfsName } = status;
  const ours = agent?.devices.find((device) => device.port === port);
  const device = sysfsName === undefined ? undefined : kernelDevice(sysfsName);
  return {
    port,
    state: device !== undefined ? "attached" : status.state === PortState.ERROR ? "error" : "attaching",
    speed: SPEEDS[status.speed] ?? "unknown",
    ...device,
    by: ours === undefined ? "other" : "agent",
    ...(ours !== undefined && { address: ours.address, busid: ours.busid }),
  };
}
