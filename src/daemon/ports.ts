import { setTimeout as sleep } from "node:timers/promises";
import { deviceAttribute, kernelDevice } from "../vhci/kernel-device.ts";
import { PortState, type PortStatus } from "../vhci/port-status.ts";
import { notAttached, Vhci } from "../vhci/vhci.ts";
import { VhciError } from "../vhci/vhci-error.ts";
import { askAgent } from "./agent-client.ts";
import type { AgentState } from "./agent-protocol.ts";
import { Failed } from "./failure.ts";

/** A port that is in use. */
export interface AttachedPort {
  readonly port: number;
  readonly state: "attached" | "attaching" | "error";
  readonly speed: string;
  readonly sysfsName?: string;
  readonly node?: string;
  readonly vid?: string;
  readonly pid?: string;
  readonly product?: string;
  /** `agent`: ours, with a guard. `other`: the socket is the kernel's, from `--direct` or another program. */
  readonly by: "agent" | "other";
  /** Known for ours alone. */
  readonly address?: string;
  readonly busid?: string;
}

export interface Ports {
  readonly ports: readonly AttachedPort[];
  /** Where hosts are waited for. */
  readonly waiting: AgentState["waiting"];
}

const SPEEDS: readonly string[] = ["unknown", "low", "full", "high", "wireless", "super", "super-plus"];
const DETACH_MS = 5_000;
const POLL_MS = 20;

/** What is attached to this kernel, by whomever. Rejects with a VhciError without the kernel's module. */
export async function attachedPorts(): Promise<Ports> {
  const agent = await askAgent({ ask: "state" }, "state");
  const inUse = new Vhci().ports().filter(isInUse);
  const ports = inUse.map((status) => describe(status, agent?.state));
  return { ports, waiting: agent?.state.waiting ?? [] };
}

/** Takes the device on a port away from this kernel; resolves when the port is free. */
export async function detachPort(port: number): Promise<void> {
  const vhci = new Vhci();
  const status = vhci.port(port);
  const agent = await askAgent({ ask: "detach", port }, "detached");
  if (agent?.ports.includes(port) !== true) {
    if (status === undefined || !isInUse(status)) throw notAttached(port);
    vhci.detach(port);
  }
  if (status !== undefined) await untilFree(vhci, [status]);
}

/** Detaches whatever is attached, and ends the waiting for hosts; tells the ports. */
export async function detachAll(): Promise<readonly number[]> {
  const vhci = new Vhci();
  const inUse = vhci.ports().filter(isInUse);
  const agent = await askAgent({ ask: "detach-all" }, "detached");
  for (const { port } of inUse) if (agent?.ports.includes(port) !== true) detachUnlessFree(vhci, port);
  await untilFree(vhci, inUse);
  return inUse.map(({ port }) => port);
}

/** Somebody else may have been faster. */
function detachUnlessFree(vhci: Vhci, port: number): void {
  try {
    vhci.detach(port);
  } catch (error) {
    if (!(error instanceof VhciError) || error.code !== "NOT_ATTACHED") throw error;
  }
}

/** A port may be in use again at once, by somebody else's device. */
async function untilFree(vhci: Vhci, ports: readonly PortStatus[]): Promise<void> {
  const endMs = performance.now() + DETACH_MS;
  const isLeft = (now: PortStatus): boolean =>
    isInUse(now) && ports.some(({ port, devid }) => port === now.port && devid === now.devid);
  for (;;) {
    const left = vhci.ports().filter(isLeft);
    if (left.length === 0) return;
    if (performance.now() > endMs) {
      const names = left.map(({ port }) => port).join(", ");
      throw new Failed(
        `the kernel does not let go of port ${names} within ${DETACH_MS / 1_000} s: a program may hold the device. ` +
          "Close what uses it, or look at the kernel's log: sudo dmesg | tail",
      );
    }
    // oxlint-disable-next-line no-await-in-loop -- sysfs can only be asked again and again
    await sleep(POLL_MS);
  }
}

function isInUse({ state }: PortStatus): boolean {
  return state === PortState.NOT_ADDRESSED || state === PortState.USED || state === PortState.ERROR;
}

function describe(status: PortStatus, agent: AgentState | undefined): AttachedPort {
  const { port, sysfsName } = status;
  const ours = agent?.devices.find((device) => device.port === port);
  const device = sysfsName === undefined ? undefined : kernelDevice(sysfsName);
  return {
    port,
    state: device !== undefined ? "attached" : status.state === PortState.ERROR ? "error" : "attaching",
    speed: SPEEDS[status.speed] ?? "unknown",
    ...device,
    ...(device !== undefined && {
      vid: deviceAttribute(device.sysfsName, "idVendor"),
      pid: deviceAttribute(device.sysfsName, "idProduct"),
      product: deviceAttribute(device.sysfsName, "product"),
    }),
    by: ours === undefined ? "other" : "agent",
    ...(ours !== undefined && { address: ours.address, busid: ours.busid }),
  };
}
