import { kernelDevice } from "../vhci/kernel-device.ts";
import { isInUse, PortState, type PortStatus } from "../vhci/port-status.ts";
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
  /** The id of the wish that keeps it attached. */
  readonly wish?: string;
}

export interface KernelPorts {
  readonly ports: readonly KernelPort[];
  readonly waiting: AgentState["waiting"];
  readonly wishes: AgentState["wishes"];
}

const SPEEDS: readonly string[] = ["unknown", "low", "full", "high", "wireless", "super", "super-plus"];

/** What is attached, by whomever; throws a VhciError without the kernel's module. */
export function kernelPorts(vhci: Vhci, agent: AgentState | undefined): KernelPorts {
  const ports = vhci
    .ports()
    .filter(isInUse)
    .map((status) => describe(vhci, status, agent));
  return { ports, waiting: agent?.waiting ?? [], wishes: agent?.wishes ?? [] };
}

function describe(vhci: Vhci, status: PortStatus, agent: AgentState | undefined): KernelPort {
  const { port, sysfsName } = status;
  const ours = agent?.devices.find((device) => device.port === port);
  const device = sysfsName === undefined ? undefined : kernelDevice(vhci, sysfsName);
  return {
    port,
    state: device !== undefined ? "attached" : status.state === PortState.ERROR ? "error" : "attaching",
    speed: SPEEDS[status.speed] ?? "unknown",
    ...device,
    by: ours === undefined ? "other" : "agent",
    ...(ours !== undefined && { address: ours.address, busid: ours.busid }),
    ...(ours?.wish !== undefined && { wish: ours.wish }),
  };
}
