import { printAddress } from "../links/address.ts";
import type { Loop } from "../usb/loop.ts";
import type { Vhci } from "../vhci/vhci.ts";
import type { AgentDevice, AgentState } from "./agent-state.ts";
import { Attachment } from "./attachment.ts";
import { readDeviceChoice } from "./device-choice.ts";
import type { EventLog } from "./event-log.ts";
import { Failed } from "./failure.ts";
import type { ReadyImport } from "./host-conversation.ts";
import { type KernelPorts, kernelPorts } from "./kernel-ports.ts";
import type { Log } from "./log.ts";
import { dialPlace, listenPlace } from "./place.ts";
import { RemoteSearch } from "./remote-search.ts";
import { isWanted, KICKED, type SessionEnd } from "./session-end.ts";
import { WaitingGuest } from "./waiting-guest.ts";

interface Kept {
  readonly attachment: Attachment;
  readonly waiting: WaitingGuest | undefined;
}

/** The resident guest side: keeps the relays of attached devices, and waits for hosts that dial in. */
export class Agent {
  /** ISO 8601 */
  readonly since = new Date().toISOString();
  readonly events: EventLog;
  readonly #vhci: Vhci;
  readonly #loop: Loop;
  readonly #log: Log;
  readonly #kept = new Map<number, Kept>();
  readonly #waiting = new Map<WaitingGuest, string | undefined>();

  constructor(vhci: Vhci, loop: Loop, log: Log, events: EventLog) {
    this.events = events;
    this.#vhci = vhci;
    this.#loop = loop;
    this.#log = log;
  }

  /** Nothing is attached and nobody is waited for. */
  get isIdle(): boolean {
    return this.#kept.size === 0 && this.#waiting.size === 0;
  }

  get state(): AgentState {
    const devices = Array.from(this.#kept.values(), describe).filter((device) => device !== undefined);
    const waiting = Array.from(this.#waiting, ([{ listening }, device]) => ({
      address: listening,
      ...(device !== undefined && { device }),
    }));
    return { pid: process.pid, devices, waiting };
  }

  /** Ports in use, by whomever; throws a VhciError without the kernel's module. */
  ports(): KernelPorts {
    return kernelPorts(this.#vhci, this.state);
  }

  /** Resolves when the device node exists. Rejects with WrongUsage, Failed, a LinkError or a VhciError. */
  async attach(address: string, device: string, signal: AbortSignal): Promise<AgentDevice> {
    const place = dialPlace(address);
    const choice = readDeviceChoice(device);
    this.#requireKernel();
    const ready = await new RemoteSearch(place, this.#loop, signal).import(choice);
    return this.#give(ready, printAddress(place), undefined, signal);
  }

  /** Listens, and resolves when the first device is attached; a signal until then ends the listening. */
  async wait(address: string, device: string | undefined, signal: AbortSignal): Promise<AgentDevice> {
    const place = listenPlace(address, "guest");
    const choice = device === undefined ? undefined : readDeviceChoice(device);
    this.#requireKernel();
    let first!: (device: AgentDevice) => void;
    const attached = new Promise<AgentDevice>((resolve) => {
      first = resolve;
    });
    const welcome = async (ready: ReadyImport, peer: string): Promise<void> =>
      first(await this.#give(ready, peer, guest, new AbortController().signal));
    const guest = await WaitingGuest.listen(place, choice, this.#loop, this.#log, this.events, welcome);
    this.#waiting.set(guest, device);
    try {
      return await Promise.race([attached, untilAborted(signal)]);
    } catch (error) {
      this.#forget(guest);
      throw error;
    }
  }

  /** Detaches a port if it is one of ours, and tells whether it was. A device that dialled in is not taken again. */
  async detach(port: number, end?: SessionEnd): Promise<boolean> {
    const kept = this.#kept.get(port);
    if (kept === undefined) return false;
    const { attachment, waiting } = kept;
    if (waiting?.refuse(attachment.ready.remote.record.busid) === true) this.#forget(waiting);
    attachment.stop(end);
    await attachment.ended;
    return true;
  }

  /** Cuts the session behind a port if it is one of ours, and tells whether it was. */
  async kick(port: number): Promise<boolean> {
    const attachment = this.#kept.get(port)?.attachment;
    attachment?.stop(KICKED);
    await attachment?.ended;
    return attachment !== undefined;
  }

  /** Detaches everything, waits for nobody any more, and tells the ports that were ours. */
  async detachAll(end?: SessionEnd): Promise<readonly number[]> {
    for (const guest of this.#waiting.keys()) this.#forget(guest);
    const ports = Array.from(this.#kept.keys());
    await Promise.all(ports.map((port) => this.detach(port, end)));
    return ports;
  }

  #requireKernel(): void {
    const obstacle = this.#vhci.obstacle();
    if (obstacle !== undefined) throw obstacle;
  }

  #forget(guest: WaitingGuest): void {
    this.#waiting.delete(guest);
    guest.close();
  }

  async #give(
    ready: ReadyImport,
    address: string,
    waiting: WaitingGuest | undefined,
    signal: AbortSignal,
  ): Promise<AgentDevice> {
    const attachment = await Attachment.start(address, ready, this.#vhci, this.#loop, this.#log);
    this.#kept.set(attachment.port, { attachment, waiting });
    void attachment.ended.then((end) => this.#ended(attachment, end));
    await attachment.untilUsable(this.#vhci, signal);
    const device = describe({ attachment, waiting });
    if (device === undefined)
      throw new Failed("the device was lost as soon as it was attached. Attach it again.");
    const { busid } = device;
    this.#log.info(
      { code: "ATTACHED", peer: ready.remote.peer, busid, port: device.port },
      `${busid} of ${address} is ${device.node} on port ${device.port}`,
    );
    this.events.publish("attached", { device: { busid }, peer: address, port: device.port });
    return device;
  }

  #ended({ port, address, ready, kernel }: Attachment, { code, reason }: SessionEnd): void {
    this.#kept.delete(port);
    const facts = { device: { busid: ready.remote.record.busid }, peer: address, port, code, reason };
    // Without a node it was never told to be attached.
    if (kernel !== undefined) this.events.publish("detached", facts);
    else if (!isWanted({ code, reason })) this.events.publish("error", facts);
  }
}

function describe({ attachment, waiting }: Kept): AgentDevice | undefined {
  const { port, address, kernel, ready } = attachment;
  if (kernel === undefined) return undefined;
  const { busid } = ready.remote.record;
  return { port, address, busid, ...kernel, dialledIn: waiting !== undefined };
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(new Failed("the waiting was cancelled.")), { once: true });
  });
}
