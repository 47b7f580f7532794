import { setTimeout as sleep } from "node:timers/promises";
import type { LinkAddress } from "../links/listen.ts";
import { untilThere } from "../vhci/kernel-device.ts";
import { Vhci } from "../vhci/vhci.ts";
import { askAgent, askOrStartAgent } from "./agent-client.ts";
import type { AgentDevice, AgentState } from "./agent-state.ts";
import type { AutoAnswer } from "./auto/auto-attach.ts";
import { commandWords } from "./auto/command-words.ts";
import { readDeviceChoice } from "./device-choice.ts";
import { attachDirectly } from "./direct-attach.ts";
import { WrongUsage } from "./failure.ts";
import { Refused } from "./host-conversation.ts";
import { LibuvLoop } from "./libuv-loop.ts";
import { listenPlace, remotePlace } from "./place.ts";
import { RemoteHosts } from "./remote-hosts.ts";
import { RemoteSearch } from "./remote-search.ts";
import type { RingThreadChoice } from "./ring/ring-thread.ts";
import { deviceNamed } from "./state/device-name.ts";
import { StateFolder } from "./state/state-folder.ts";

/** The kernel's server takes a fifth of a second. */
const RESET_MS = 3_000;
const RESET_LOOK_MS = 100;

/** A device that this kernel has got. */
export type AttachedDevice = Pick<AgentDevice, "port" | "busid" | "sysfsName" | "node">;

/**
 * Gives a device of a host to this kernel, guarded by the agent; resolves when its node exists. `agent` runs an
 * agent, as an argument vector. Rejects with WrongUsage, AccessDenied, Failed, a LinkError or a VhciError.
 */
export async function attach(
  agent: readonly string[],
  address: string,
  named: string,
  signal: AbortSignal,
): Promise<AttachedDevice> {
  remotePlace(address);
  const device = await deviceNamed(named, new StateFolder());
  readDeviceChoice(device);
  requireKernel();
  return askOrStartAgent(
    agent,
    { method: "POST", path: "/v1/attachments", body: { address, device } },
    signal,
  );
}

/** Rejects with WrongUsage if an agent runs whose thread waits or runs in another way than was chosen. */
export async function requireRingThread({ lookUs, cpu }: RingThreadChoice): Promise<void> {
  const running = await askAgent<AgentState>({ method: "GET", path: "/v1/state" });
  if (running === undefined) return;
  const { ring } = running;
  if ((lookUs ?? ring.lookUs) === ring.lookUs && (cpu ?? ring.cpu) === ring.cpu) return;
  const where = ring.cpu === undefined ? "on any processor" : `on processor ${ring.cpu}`;
  throw new WrongUsage(
    `the agent (process ${running.pid}) runs already, ${where}, and looks for ${ring.lookUs} microseconds. End it, which ` +
      `detaches what it keeps (kill ${running.pid}), and run this again; or leave out --ring-look and --ring-cpu.`,
  );
}

/** A device that shall be kept attached. */
export interface KeepRequest {
  readonly address: string;
  /** What the one device may be named by, the first one first; nicknames among them. */
  readonly named: readonly string[];
  readonly onAttach?: string | undefined;
  readonly onDetach?: string | undefined;
}

/**
 * Has the agent keep a device attached from now on; resolves when its node exists, or it is known why that has to wait.
 * Rejects as `attach`.
 */
export async function keepAttached(
  agent: readonly string[],
  { address, named, onAttach, onDetach }: KeepRequest,
  signal: AbortSignal,
): Promise<AutoAnswer> {
  remotePlace(address);
  const folder = new StateFolder();
  const devices = await Promise.all(named.map((name) => deviceNamed(name, folder)));
  for (const device of devices) readDeviceChoice(device);
  const body = {
    address,
    devices,
    ...(onAttach !== undefined && { onAttach: commandWords(onAttach) }),
    ...(onDetach !== undefined && { onDetach: commandWords(onDetach) }),
  };
  requireKernel();
  return askOrStartAgent(agent, { method: "POST", path: "/v1/wishes", body }, signal);
}

/** Listens for hosts that dial in; resolves when the first device is attached. The agent goes on to listen. */
export async function attachFromWaiting(
  agent: readonly string[],
  address: string,
  named: string | undefined,
  signal: AbortSignal,
): Promise<AttachedDevice> {
  listenPlace(address, "guest");
  const device = named === undefined ? undefined : await deviceNamed(named, new StateFolder());
  if (device !== undefined) readDeviceChoice(device);
  requireKernel();
  const body = { address, ...(device !== undefined && { device }) };
  return askOrStartAgent(agent, { method: "POST", path: "/v1/waiting", body }, signal);
}

/** The same without agent and guard: the kernel gets the connection to the host. */
export async function attachUnguarded(
  address: string,
  device: string,
  signal: AbortSignal,
): Promise<AttachedDevice> {
  const place = remotePlace(address);
  if (place.kind === "tls") {
    throw new WrongUsage(
      `the kernel cannot take over "${address}": TLS is decrypted in a program. Leave out --direct; the agent does that.`,
    );
  }
  if (place.kind === "ring-pci") {
    throw new WrongUsage(
      `the kernel cannot take over "${address}": it is memory, not a socket. Leave out --direct; the agent does that.`,
    );
  }
  const choice = readDeviceChoice(await deviceNamed(device, new StateFolder()));
  if (place.protocol === "wslusb") {
    throw new WrongUsage(
      `the kernel speaks USB/IP alone: "${address}" cannot be attached with --direct. Leave out --direct, or "wslusb+".`,
    );
  }
  const vhci = requireKernel();
  const loop = new LibuvLoop();
  const busid = await new RemoteSearch(place, new RemoteHosts(loop), loop, signal).busid(choice);
  const port =
    choice.by === "serial"
      ? await attachOnceFree(place, busid, vhci)
      : await attachDirectly(place, busid, vhci);
  return { port, busid, ...(await untilThere(vhci, port, signal)) };
}

/** The host has just got the device back, and may take a moment to reset it. */
async function attachOnceFree(place: LinkAddress, busid: string, vhci: Vhci): Promise<number> {
  const endMs = performance.now() + RESET_MS;
  for (;;) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- the host can only be asked again
      return await attachDirectly(place, busid, vhci);
    } catch (error) {
      if (!(error instanceof Refused) || performance.now() > endMs) throw error;
    }
    // oxlint-disable-next-line no-await-in-loop
    await sleep(RESET_LOOK_MS);
  }
}

function requireKernel(): Vhci {
  const vhci = new Vhci();
  const obstacle = vhci.obstacle();
  if (obstacle !== undefined) throw obstacle;
  return vhci;
}
