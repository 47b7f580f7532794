import { printAddress } from "../links/address.ts";
import type { TlsTrust } from "../links/trust.ts";
import type { Loop } from "../usb/loop.ts";
import { driverNodes, untilBound } from "../vhci/driver-nodes.ts";
import { untilLeft } from "../vhci/free-port.ts";
import { hubOf, type PortChoice, type Vhci } from "../vhci/vhci.ts";
import type { VhciError } from "../vhci/vhci-error.ts";
import type { AgentDevice, AgentState } from "./agent-state.ts";
import { Attachment } from "./attachment.ts";
import { type AutoAnswer, AutoAttach, type AutoRequest } from "./auto/auto-attach.ts";
import type { AttachTiming, Granted, KeptWish } from "./auto/kept-wish.ts";
import type { CaptureSubject } from "./capture/capture-subject.ts";
import { readDeviceChoice } from "./device-choice.ts";
import { deviceIdentity } from "./device-description.ts";
import type { EventLog } from "./event-log.ts";
import { Failed, failureKind } from "./failure.ts";
import { type CarriedDevice, carriedName } from "./figures/carried-device.ts";
import { TransferLedger } from "./figures/transfer-ledger.ts";
import { GrantedWish } from "./granted-wish.ts";
import { type KernelPorts, kernelPorts } from "./kernel-ports.ts";
import type { Log } from "./log.ts";
import { listenPlace, remotePlace } from "./place.ts";
import type { ReadyImport } from "./remote-host.ts";
import { RemoteHosts } from "./remote-hosts.ts";
import { RemoteSearch } from "./remote-search.ts";
import type { RingThread } from "./ring/ring-thread.ts";
import { AGENT_STOPPED, isWanted, KICKED, type SessionEnd } from "./session-end.ts";
import type { AutoWish, Wish, WishList } from "./state/wishes.ts";
import { WaitingGuest } from "./waiting-guest.ts";

interface Kept {
  readonly attachment: Attachment;
  /** It was brought by a host that dialled in. */
  readonly granted?: GrantedWish;
  /** It is attached because of this wish. */
  readonly wish?: KeptWish;
}

/** What was ended and freed by a detach. */
export interface Detached {
  readonly ports: readonly number[];
  /** Ids of wishes that kept something attached. */
  readonly wishes: readonly string[];
}

/** The resident guest side: keeps the relays of attached devices, and waits for hosts that dial in. */
export class Agent {
  /** ISO 8601 */
  readonly since = new Date().toISOString();
  readonly events: EventLog;
  /** What devices have carried that are detached. */
  readonly ledger = new TransferLedger();
  readonly #vhci: Vhci;
  readonly #loop: Loop;
  readonly #log: Log;
  readonly #kept = new Map<number, Kept>();
  readonly #wishes: WishList;
  readonly #trust: TlsTrust | undefined;
  readonly #granted = new Set<GrantedWish>();
  readonly #auto: AutoAttach;
  readonly #hosts: RemoteHosts;
  readonly #ring: RingThread;
  #isEnding = false;

  constructor(
    vhci: Vhci,
    loop: Loop,
    log: Log,
    events: EventLog,
    wishes: WishList,
    trust?: TlsTrust,
    ring: RingThread = { lookUs: 0 },
  ) {
    this.#ring = ring;
    this.events = events;
    this.#vhci = vhci;
    this.#loop = loop;
    this.#log = log;
    this.#wishes = wishes;
    this.#trust = trust;
    this.#hosts = new RemoteHosts(loop, trust);
    this.#auto = new AutoAttach(
      {
        attach: (wish, ready, timing, signal) => this.#grantWish(wish, ready, timing, signal),
        nodes: async ({ sysfsName }) => {
          await untilBound(vhci, sysfsName);
          return driverNodes(vhci, sysfsName);
        },
      },
      this.#hosts,
      loop,
      log,
      wishes,
    );
  }

  /** Nothing is attached or wished for, and nobody is waited for. */
  get isIdle(): boolean {
    return this.#kept.size === 0 && this.#granted.size === 0 && this.#auto.size === 0;
  }

  get state(): AgentState {
    const devices = Array.from(this.#kept.values(), describe).filter((device) => device !== undefined);
    const waiting = Array.from(this.#granted, ({ wish, guest }) => ({ ...wish, address: guest.listening }));
    return { pid: process.pid, devices, waiting, wishes: this.#auto.states, ring: this.#ring };
  }

  /** Why this kernel takes no devices, if it does not. */
  get obstacle(): VhciError | undefined {
    return this.#vhci.obstacle();
  }

  /** Devices that this kernel has of us. */
  carried(): readonly CarriedDevice[] {
    return Array.from(this.#kept.values(), ({ attachment }) => carriedBy(attachment));
  }

  /** Ports in use, by whomever; throws a VhciError without the kernel's module. */
  ports(): KernelPorts {
    return kernelPorts(this.#vhci, this.state);
  }

  /** Resolves when the device node exists. Rejects with WrongUsage, Failed, a LinkError or a VhciError. */
  async attach(address: string, device: string, signal: AbortSignal): Promise<AgentDevice> {
    const place = remotePlace(address);
    const choice = readDeviceChoice(device);
    this.#requireKernel();
    const ready = await new RemoteSearch(place, this.#hosts, this.#loop, signal).import(choice);
    const { device: given } = await this.#give(ready, printAddress(place), {}, signal, {
      avoided: this.#auto.reserved(),
    });
    return given;
  }

  /** Keeps a device attached from now on; see AutoAttach. */
  keep(request: AutoRequest, signal: AbortSignal): Promise<AutoAnswer> {
    this.#requireKernel();
    this.#requireRunning();
    return this.#auto.make(request, signal);
  }

  /** Ends a wish by its id, and detaches its device; nothing if there is no such wish. */
  async endWish(id: string): Promise<Detached | undefined> {
    this.#requireRunning();
    const port = this.#auto.states.find((state) => state.id === id)?.port;
    if (!(await this.#auto.end(id))) return undefined;
    return { ports: port === undefined ? [] : [port], wishes: [id] };
  }

  /**
   * Waits again where the agent before this one did. This needs no kernel that takes devices: what it lacks is told
   * when a host brings one. What cannot be granted is told, and stays wished.
   */
  async takeUpWishes(): Promise<void> {
    this.#auto.takeUp((wish, error) => this.#tellTakenUp(wish, error));
    await Promise.all(this.#wishes.list().map((wish) => this.#takeUp(wish)));
  }

  /**
   * Keeps the wish to wait, and resolves when a device is attached that came so. A signal until then takes the wish
   * back, unless it was somebody's before.
   */
  async wait(address: string, device: string | undefined, signal: AbortSignal): Promise<AgentDevice> {
    const place = listenPlace(address, "guest");
    if (device !== undefined) readDeviceChoice(device);
    this.#requireKernel();
    this.#requireRunning();
    const printed = printAddress(place);
    const granted = this.#find(printed, device) ?? (await this.#grant(printed, device, false));
    try {
      // Also one that was found: the change that keeps it may be on its way.
      await this.#wishes.add(granted.wish);
      const here = this.#broughtBy(granted);
      if (here === undefined) return await granted.next(signal);
      granted.isPromised = true;
      return here;
    } catch (error) {
      if (granted.isAbandoned && this.#granted.has(granted) && !this.#isEnding) await this.#forget(granted);
      throw error;
    }
  }

  /** Detaches a port if it is one of ours. A device that dialled in is not taken again, and a wish for it ends. */
  async detach(port: number): Promise<Detached | undefined> {
    const kept = this.#kept.get(port);
    if (kept === undefined) return undefined;
    this.#requireRunning();
    const { attachment, granted, wish } = kept;
    if (wish !== undefined) {
      await this.#auto.end(wish.wish.id);
      await attachment.ended;
      return { ports: [port], wishes: [wish.wish.id] };
    }
    const isOver = granted?.guest.refuse(attachment.ready.remote.record.busid) === true;
    attachment.stop();
    await Promise.all([attachment.ended, isOver ? this.#forget(granted) : undefined]);
    return { ports: [port], wishes: [] };
  }

  /** What is attached at a port, to be recorded, if it is one of ours. */
  captureSubject(port: number): CaptureSubject | undefined {
    const attachment = this.#kept.get(port)?.attachment;
    if (attachment === undefined) return undefined;
    return attachment.captureSubject(() => this.#kept.get(port)?.attachment !== attachment);
  }

  /** Cuts the session behind a port if it is one of ours, and tells whether it was. */
  async kick(port: number): Promise<boolean> {
    const attachment = this.#kept.get(port)?.attachment;
    attachment?.stop(KICKED);
    await attachment?.ended;
    return attachment !== undefined;
  }

  /** Detaches everything, waits for nobody any more, and tells the ports and wishes that were ours. */
  async detachAll(): Promise<Detached> {
    this.#requireRunning();
    for (const granted of this.#granted) granted.end();
    this.#granted.clear();
    const wishes = this.#auto.states.map(({ id }) => id);
    const [ports] = await Promise.all([this.#stopAll(), this.#auto.endAll(), this.#wishes.clear()]);
    return { ports, wishes };
  }

  /** Waits for nobody and changes no wish any more: they are the next agent's, and so are the clients who ask. */
  endWaiting(): void {
    this.#isEnding = true;
    for (const { guest } of this.#granted) guest.close();
  }

  /** Detaches everything; after `endWaiting`. */
  async stop(): Promise<void> {
    await Promise.all([this.#auto.stop(), this.#stopAll(AGENT_STOPPED)]);
  }

  async #stopAll(end?: SessionEnd): Promise<readonly number[]> {
    const kept = Array.from(this.#kept);
    for (const [, { attachment }] of kept) attachment.stop(end);
    await Promise.all(kept.map(([, { attachment }]) => attachment.ended));
    return kept.map(([port]) => port);
  }

  #requireKernel(): void {
    const { obstacle } = this;
    if (obstacle !== undefined) throw obstacle;
  }

  #requireRunning(): void {
    if (this.#isEnding) throw new Failed("the agent is ending. Run the command again in a moment.");
  }

  async #takeUp(wish: Wish): Promise<void> {
    const { address } = wish;
    try {
      await this.#grant(address, wish.device, true);
      this.#log.info(
        { code: "WISH_TAKEN_UP", ...wish },
        `WISH_TAKEN_UP hosts that bring ${wish.device ?? "any device"} are waited for at ${address}`,
      );
    } catch (error) {
      if (failureKind(error) === "defect") throw error;
      this.#tellNotTakenUp(wish, error as Error);
    }
  }

  #tellTakenUp({ id, address, devices }: AutoWish, error: Error | undefined): void {
    if (error === undefined) {
      this.#log.info(
        { code: "WISH_TAKEN_UP", wish: id, address, devices },
        `WISH_TAKEN_UP ${id}: ${devices.join(" or ")} of ${address} is kept attached`,
      );
    } else this.#tellNotTakenUp({ wish: id, address }, error);
  }

  #tellNotTakenUp(
    wish: { readonly wish?: string; readonly address: string },
    { message: reason }: Error,
  ): void {
    const { address } = wish;
    this.#log.warn({ code: "WISH_NOT_TAKEN_UP", ...wish }, `WISH_NOT_TAKEN_UP ${address}: ${reason}`);
    this.events.publish("error", { code: "WISH_NOT_TAKEN_UP", peer: address, reason });
  }

  async #grant(address: string, device: string | undefined, isPromised: boolean): Promise<GrantedWish> {
    const place = listenPlace(address, "guest");
    const choice = device === undefined ? undefined : readDeviceChoice(device);
    const welcome = async (ready: ReadyImport, peer: string): Promise<void> =>
      granted.came(
        (
          await this.#give(ready, peer, { granted }, new AbortController().signal, {
            avoided: this.#auto.reserved(),
          })
        ).device,
      );
    const guest = await WaitingGuest.listen(
      place,
      choice,
      this.#loop,
      this.#log,
      this.events,
      welcome,
      this.#trust,
    );
    const granted = new GrantedWish(guest, device, isPromised);
    if (this.#isEnding) guest.close();
    this.#requireRunning();
    this.#granted.add(granted);
    return granted;
  }

  #find(address: string, device: string | undefined): GrantedWish | undefined {
    return Array.from(this.#granted).find(({ wish }) => wish.address === address && wish.device === device);
  }

  #broughtBy(granted: GrantedWish): AgentDevice | undefined {
    const brought = Array.from(this.#kept.values()).filter((kept) => kept.granted === granted);
    return brought.map(describe).find((device) => device !== undefined);
  }

  async #forget(granted: GrantedWish): Promise<void> {
    this.#granted.delete(granted);
    granted.end();
    await this.#wishes.remove(granted.wish.address);
  }

  /** At its own port, for which it waits if the kernel has not freed it yet; the first port is its own. */
  async #grantWish(
    wish: KeptWish,
    ready: ReadyImport,
    timing: AttachTiming,
    signal: AbortSignal,
  ): Promise<Granted> {
    const { address } = wish;
    const { ports: preferred } = wish.wish;
    const hub = hubOf(ready.device.speed);
    const own = preferred[hub];
    try {
      if (own !== undefined && !this.#kept.has(own)) await untilLeft(this.#vhci, own);
      this.#requireRunning();
    } catch (error) {
      ready.remote.close(AGENT_STOPPED);
      throw error;
    }
    const choice = { preferred, avoided: this.#auto.reserved(wish) };
    const granted = await this.#give(ready, address, { wish }, signal, choice, timing);
    const { port, busid } = granted.device;
    const { id, busid: lastBusid } = wish.wish;
    if (own === undefined || busid !== lastBusid) {
      void this.#auto.remember(wish, { ...preferred, [hub]: own ?? port }, busid);
    }
    if (own !== undefined && own !== port) {
      this.#log.warn(
        { code: "PORT_TAKEN", wish: id, port, own },
        `PORT_TAKEN port ${own}, where wish ${id} has its device, is in use by another one: this time it is port ${port}, and ` +
          "names in /dev may differ. `usbferry ports` shows who has it.",
      );
    }
    return granted;
  }

  async #give(
    ready: ReadyImport,
    address: string,
    by: Omit<Kept, "attachment">,
    signal: AbortSignal,
    choice: PortChoice,
    timing?: AttachTiming,
  ): Promise<Granted> {
    const attachment = await Attachment.start(address, ready, this.#vhci, this.#loop, this.#log, choice);
    const givenMs = this.#loop.now();
    const kept = { attachment, ...by };
    this.#kept.set(attachment.port, kept);
    void attachment.ended.then((end) => this.#ended(attachment, end));
    await attachment.untilUsable(this.#vhci, signal);
    const device = describe(kept);
    if (device === undefined)
      throw new Failed("the device was lost as soon as it was attached. Attach it again.");
    const { busid } = device;
    this.#log.info(
      {
        code: "ATTACHED",
        peer: ready.remote.peer,
        busid,
        port: device.port,
        ...(by.wish && { wish: by.wish.wish.id }),
        ...(timing && steps(timing, givenMs, this.#loop.now())),
      },
      `${busid} of ${address} is ${device.node} on port ${device.port}`,
    );
    this.events.publish("attached", { device: { busid }, peer: address, port: device.port });
    return { device, attachment };
  }

  #ended(attachment: Attachment, { code, reason }: SessionEnd): void {
    const { port, address, ready, kernel } = attachment;
    this.#kept.delete(port);
    this.ledger.add(carriedName(carriedBy(attachment)), attachment.counters.look().figures);
    const facts = { device: { busid: ready.remote.record.busid }, peer: address, port, code, reason };
    // Without a node it was never told to be attached.
    if (kernel !== undefined) this.events.publish("detached", facts);
    else if (!isWanted({ code, reason })) this.events.publish("error", facts);
  }
}

/** Where the time went between the host's word and the device node. An import that was not waited for runs beside the rest. */
function steps(
  { toldMs, dialledMs, readyMs, importedMs }: AttachTiming,
  givenMs: number,
  thereMs: number,
): object {
  const times = {
    dialMs: dialledMs - toldMs,
    importMs: importedMs - dialledMs,
    giveMs: givenMs - readyMs,
  };
  const all = { ...times, kernelMs: thereMs - givenMs };
  return Object.fromEntries(Object.entries(all).map(([step, ms]) => [step, Math.round(ms * 10) / 10]));
}

function carriedBy({ port, address, ready, since, counters }: Attachment): CarriedDevice {
  const device = deviceIdentity(ready.remote.record.busid, ready.device);
  return { device, port, peer: address, link: address.slice(0, address.indexOf(":")), since, counters };
}

function describe({ attachment, granted, wish }: Kept): AgentDevice | undefined {
  const { port, address, kernel, ready } = attachment;
  if (kernel === undefined) return undefined;
  const { record, ring } = ready.remote;
  const { busid } = record;
  const id = wish === undefined ? {} : { wish: wish.wish.id };
  return { port, address, busid, ...kernel, dialledIn: granted !== undefined, ...id, ...(ring && { ring }) };
}
