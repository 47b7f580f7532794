import { setTimeout as sleep } from "node:timers/promises";
import { deviceAttribute } from "../vhci/kernel-device.ts";
import { isInUse, type PortStatus } from "../vhci/port-status.ts";
import { notAttached, Vhci } from "../vhci/vhci.ts";
import { VhciError } from "../vhci/vhci-error.ts";
import { askAgent } from "./agent-client.ts";
import type { AgentState } from "./agent-state.ts";
import { Unknown } from "./api/control-client.ts";
import { Failed } from "./failure.ts";
import { type KernelPort, kernelPorts } from "./kernel-ports.ts";
import { StateFolder } from "./state/state-folder.ts";

/** A port that is in use. */
export interface AttachedPort extends KernelPort {
  readonly vid?: string;
  readonly pid?: string;
  readonly product?: string;
}

export interface Ports {
  readonly ports: readonly AttachedPort[];
  /** Where hosts are waited for. */
  readonly waiting: AgentState["waiting"];
  /** What is kept attached. */
  readonly wishes: AgentState["wishes"];
}

const DETACH_MS = 5_000;
const POLL_MS = 20;

/** What a detach has freed and ended. */
export interface Freed {
  readonly ports: readonly number[];
  /** Ids of wishes that kept something attached. */
  readonly wishes: readonly string[];
}

/** What is attached to this kernel, by whomever. Rejects with a VhciError without the kernel's module. */
export async function attachedPorts(): Promise<Ports> {
  const agent = await askAgent<AgentState>({ method: "GET", path: "/v1/state" });
  const vhci = new Vhci();
  const { ports, waiting, wishes } = kernelPorts(vhci, agent);
  return { ports: ports.map((port) => withDescriptors(vhci, port)), waiting, wishes };
}

/** Takes the device on a port away from this kernel, and ends a wish for it; resolves when the port is free. */
export async function detachPort(port: number): Promise<Freed> {
  const vhci = new Vhci();
  const status = vhci.port(port);
  const freed = await freedByAgent(port);
  if (freed?.ports.includes(port) !== true) {
    if (status === undefined || !isInUse(status)) throw notAttached(port);
    vhci.detach(port);
  }
  if (status !== undefined) await untilFree(vhci, [status]);
  return { ports: [port], wishes: freed?.wishes ?? [] };
}

/** Ends a wish by its id and takes its device away; resolves when its port is free. Rejects with Failed if there is none. */
export async function endWish(id: string): Promise<Freed> {
  const freed = await askAgent<Freed>({ method: "DELETE", path: `/v1/wishes/${id}` });
  if (freed !== undefined) return freed;
  const { forgetAutoWish } = await import("./state/open-wishes.ts");
  if (await forgetAutoWish(new StateFolder(), id)) return { ports: [], wishes: [id] };
  throw new Failed(`there is no wish ${id}. \`usbferry ports\` shows what is kept attached.`);
}

/** Detaches whatever is attached, ends every wish and the waiting for hosts. */
export async function detachAll(): Promise<Freed> {
  const vhci = new Vhci();
  const inUse = vhci.ports().filter(isInUse);
  const freed = await askAgent<Freed>({ method: "DELETE", path: "/v1/ports" });
  if (freed === undefined) {
    const { forgetWishes } = await import("./state/open-wishes.ts");
    await forgetWishes(new StateFolder());
  }
  for (const { port } of inUse) if (freed?.ports.includes(port) !== true) detachUnlessFree(vhci, port);
  await untilFree(vhci, inUse);
  return { ports: inUse.map(({ port }) => port), wishes: freed?.wishes ?? [] };
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

/** Nothing if no agent runs, or if it does not keep this port. */
async function freedByAgent(port: number): Promise<Freed | undefined> {
  try {
    return await askAgent<Freed>({ method: "DELETE", path: `/v1/ports/${port}` });
  } catch (error) {
    if (error instanceof Unknown) return undefined;
    throw error;
  }
}

/** In the process of the command: the agent must never read strings of a device that it relays. */
function withDescriptors(vhci: Vhci, port: KernelPort): AttachedPort {
  const { sysfsName } = port;
  if (port.node === undefined || sysfsName === undefined) return port;
  return {
    ...port,
    vid: deviceAttribute(vhci, sysfsName, "idVendor"),
    pid: deviceAttribute(vhci, sysfsName, "idProduct"),
    product: deviceAttribute(vhci, sysfsName, "product"),
  };
}
