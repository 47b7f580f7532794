import type { Cancellable, Loop } from "../../usb/loop.ts";
import type { DeviceRecordValue } from "../../usbip/pdu.ts";
import type { AgentDevice, KeptWishState } from "../agent-state.ts";
import type { Attachment } from "../attachment.ts";
import { BackOff } from "../back-off.ts";
import { type DeviceChoice, readDeviceChoice } from "../device-choice.ts";
import { hex4 } from "../device-description.ts";
import { Failed, failureKind } from "../failure.ts";
import { HostConversation, isSameDevice } from "../host-conversation.ts";
import type { Log } from "../log.ts";
import type { ReadyImport, RemoteHost } from "../remote-host.ts";
import { ANOTHER, serialNumberOf } from "../serial-question.ts";
import type { SessionEnd } from "../session-end.ts";
import type { AutoWish } from "../state/wishes.ts";
import type { HostDevice } from "./host-devices.ts";
import type { HostWatch } from "./host-watch.ts";
import { SpareConnection } from "./spare-connection.ts";
import { type HookFacts, WishHooks } from "./wish-hooks.ts";
import { isMeant, serialOf, wishedDevice } from "./wished-device.ts";

/** A device that this machine's kernel has because of a wish. */
export interface Granted {
  readonly device: AgentDevice;
  readonly attachment: Attachment;
}

/** What a wish asks of the agent that keeps it. */
export interface WishOwner {
  /** Gives an import to the kernel, at the port of the wish if that is free. Closes it if that fails. */
  attach(wish: KeptWish, ready: ReadyImport, timing: AttachTiming, signal: AbortSignal): Promise<Granted>;
  /** What drivers have made of the device in /dev, once they have it. */
  nodes(device: AgentDevice): Promise<readonly string[]>;
}

/** When the steps of one attachment were done. */
export interface AttachTiming {
  /** The host told of the device. */
  readonly toldMs: number;
  /** The host was dialled. */
  readonly dialledMs: number;
  /** The device could be given to the kernel. */
  readonly readyMs: number;
  /** The host had given it; if that is not waited for, perhaps later than that. */
  importedMs: number;
}

interface Attached extends Granted {
  readonly facts: Omit<HookFacts, "nodes">;
  nodes: readonly string[];
}

/** Tries in a row that news may hasten. */
const HASTY_MAX = 8;

const WISH_ENDED = "the wish was taken back, or ended by somebody else.";

interface Client {
  readonly told: () => void;
}

/** Keeps one device of a host attached for as long as the wish for it holds. */
export class KeptWish {
  readonly hooks: WishHooks;
  readonly #watch: HostWatch;
  readonly #owner: WishOwner;
  readonly #loop: Loop;
  readonly #log: Log;
  readonly #waits = new BackOff();
  readonly #connection: SpareConnection;
  /** Devices that are not the one that is meant, although they could be. */
  readonly #others = new WeakSet<HostDevice>();
  readonly #over = new AbortController();
  readonly #clients = new Set<Client>();
  #wish: AutoWish;
  #choices: readonly DeviceChoice[];
  #state: "waiting" | "attaching" | "attached" = "waiting";
  /** Why it waits. */
  #reason = "";
  #lost: SessionEnd | undefined;
  #attached: Attached | undefined;
  /** The device that could not be attached, as it was told then, and when it is tried again. */
  #failed: { readonly device: HostDevice; readonly toldMs: number; readonly retry: Cancellable } | undefined;
  #lastFailure = "";
  /** Tries before their time, because something was told. */
  #hasty = 0;

  /** Throws WrongUsage for devices that can be none. */
  constructor(wish: AutoWish, watch: HostWatch, owner: WishOwner, loop: Loop, log: Log) {
    this.#wish = wish;
    this.#choices = wish.devices.map(readDeviceChoice);
    this.#watch = watch;
    this.#owner = owner;
    this.#loop = loop;
    this.#log = log;
    this.hooks = new WishHooks(log);
    this.#connection = new SpareConnection(() => watch.dial(), loop);
  }

  get wish(): AutoWish {
    return this.#wish;
  }

  /** Of the host, as it is printed. */
  get address(): string {
    return this.#watch.address;
  }

  get isWaiting(): boolean {
    return this.#state === "waiting" && !this.#over.signal.aborted;
  }

  get device(): AgentDevice | undefined {
    return this.#attached?.device;
  }

  get state(): KeptWishState {
    const { port } = this.#attached?.device ?? {};
    const reason = this.#reasonToWait;
    return {
      ...this.#wish,
      state: this.#state,
      watching: this.#watch.watching,
      ...(port !== undefined && { port }),
      ...(reason !== "" && { reason }),
    };
  }

  /** It was asked for once more, with other words, or it has another port. */
  become(wish: AutoWish): void {
    this.#wish = wish;
    this.#choices = this.#wish.devices.map(readDeviceChoice);
    this.look();
  }

  /** To be called whenever devices of the host are others. */
  look(): void {
    if (this.#state === "attached") this.#learn();
    if (!this.isWaiting) return;
    const { devices, watching } = this.#watch;
    const wished = { choices: this.#choices, others: this.#others, lastBusid: this.#wish.busid };
    if (watching === "unreachable") this.#connection.drop();
    const found = watching === "unreachable" ? this.#watch.reason : wishedDevice(devices, wished);
    if (typeof found === "string") {
      this.#reason = watching === "asking" ? "the host is being asked for its devices" : found;
      if (watching !== "asking") this.#tellClients();
      return;
    }
    const failed = this.#failed;
    const isOld = failed?.device === found && failed.toldMs === found.toldMs;
    // A host that makes up news all the time is no faster than one that has none.
    if (failed !== undefined && (isOld || ++this.#hasty > HASTY_MAX)) return;
    failed?.retry.cancel();
    this.#failed = undefined;
    void this.#attach(found);
  }

  /** Resolves when the device is attached, or it is known that it cannot be at this moment. Rejects with Failed. */
  async settled(signal: AbortSignal): Promise<void> {
    let client!: Client;
    let abort!: () => void;
    try {
      await new Promise<void>((told, rejected) => {
        client = { told };
        abort = () => rejected(new Failed(WISH_ENDED));
        this.#clients.add(client);
        const either = AbortSignal.any([signal, this.#over.signal]);
        either.addEventListener("abort", abort, { once: true });
        if (either.aborted) abort();
        else if (this.#state === "attached") told();
        else if (this.isWaiting && this.#watch.watching !== "asking") told();
      });
    } finally {
      this.#clients.delete(client);
    }
  }

  /** Attaches nothing any more, and lets go of what it has; resolves when that is done. */
  async end(end?: SessionEnd): Promise<void> {
    this.#over.abort(new Failed(WISH_ENDED));
    this.#connection.drop();
    this.#failed?.retry.cancel();
    const attached = this.#attached;
    attached?.attachment.stop(end);
    await attached?.attachment.ended;
  }

  /** The device comes over a connection that can be dialled before it is asked for. */
  get #hasOwnConnection(): boolean {
    const { kind } = this.#watch.place;
    return !this.#watch.isShared && kind !== "ring" && kind !== "ring-pci";
  }

  get #reasonToWait(): string {
    if (this.#state !== "waiting") return "";
    const lost = this.#lost === undefined ? "" : ` (it was lost: ${this.#lost.reason})`;
    return this.#reason + lost;
  }

  /** A device that looks alike and is there beside this one is another one, also when this one has gone. */
  #learn(): void {
    for (const device of this.#watch.devices) {
      if (device.facts.busid !== this.#attached?.device.busid) this.#others.add(device);
    }
  }

  async #attach(device: HostDevice): Promise<void> {
    this.#state = "attaching";
    const { toldMs } = device;
    try {
      const own = this.#hasOwnConnection
        ? new HostConversation(await this.#connection.take(), this.#loop)
        : undefined;
      const dialled = own ?? (await this.#watch.open());
      const dialledMs = this.#loop.now();
      const ready = this.#importAhead(own, device) ?? (await this.#import(dialled, device));
      if (ready === undefined) {
        this.#others.add(device);
        this.#state = "waiting";
        this.look();
        return;
      }
      const readyMs = this.#loop.now();
      const timing: AttachTiming = { toldMs, dialledMs, readyMs, importedMs: readyMs };
      const given = (): void => {
        timing.importedMs = this.#loop.now();
      };
      ready.given?.then(given, () => {});
      const granted = await this.#owner.attach(this, ready, timing, this.#over.signal);
      this.#begin(granted, ready, device.facts.serial);
    } catch (error) {
      if (failureKind(error) === "defect") throw error;
      this.#fail(device, toldMs, (error as Error).message);
    }
  }

  /**
   * Where the host has told all that the kernel asks for at first, and nothing has gone wrong lately: a kernel that sees a
   * device come and go again and again complains.
   */
  #importAhead(conversation: HostConversation | undefined, { facts }: HostDevice): ReadyImport | undefined {
    const isTold =
      facts.descriptors !== undefined &&
      (facts.serial !== undefined || serialOf(facts, this.#choices) === undefined);
    if (conversation === undefined || !isTold || this.#lastFailure !== "") return undefined;
    return conversation.importAhead(facts, facts.descriptors);
  }

  /** Nothing if it is another device than the one that is meant. */
  async #import(conversation: RemoteHost, device: HostDevice): Promise<ReadyImport | undefined> {
    const { signal } = this.#over;
    const cancel = (): void => conversation.close();
    signal.addEventListener("abort", cancel, { once: true });
    if (signal.aborted) cancel();
    try {
      const ready = await conversation.import(device.facts.busid, (record) => descriptorsOf(device, record));
      const { record } = ready.remote;
      const serials = device.facts.serial === undefined ? serialOf(record, this.#choices) : undefined;
      const own = serials && (await serialNumberOf(ready));
      const isThere = isMeant(record, this.#choices);
      if (isThere && (serials === undefined || (own !== undefined && serials.includes(own)))) return ready;
      ready.remote.close(ANOTHER);
      await ready.remote.ended;
      if (!isThere) throw new Failed(`${record.busid} has become another device meanwhile.`);
      if (own === undefined) throw new Failed(`${record.busid} does not tell its serial number.`);
      return undefined;
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  }

  #begin({ device, attachment }: Granted, { remote }: ReadyImport, serial = ""): void {
    const { idVendor, idProduct } = remote.record;
    const { busid, port, node } = device;
    const ids = { vid: hex4(idVendor), pid: hex4(idProduct), serial };
    const facts = { wish: this.#wish.id, host: this.#watch.address, busid, ...ids, port, node };
    const attached: Attached = { device, attachment, facts, nodes: [] };
    this.#attached = attached;
    this.#state = "attached";
    this.#reason = "";
    this.#lastFailure = "";
    this.#hasty = 0;
    this.#waits.reset();
    this.#learn();
    this.#tellClients();
    this.hooks.run("attach", this.#wish.onAttach, async () => {
      attached.nodes = await this.#owner.nodes(device);
      return { ...facts, nodes: attached.nodes };
    });
    void attachment.ended.then((end) => this.#ended(attached, end));
  }

  #ended(attached: Attached, end: SessionEnd): void {
    this.#attached = undefined;
    this.#state = "waiting";
    this.#lost = end;
    this.hooks.run("detach", this.#wish.onDetach, async () => ({ ...attached.facts, nodes: attached.nodes }));
    if (this.#over.signal.aborted) return;
    // A stock server may take one guest at a time.
    if (this.#watch.watching === "pushed" && this.#hasOwnConnection) this.#connection.prepare();
    this.#watch.hurry();
    this.look();
  }

  #fail(device: HostDevice, toldMs: number, reason: string): void {
    this.#state = "waiting";
    this.#reason = reason;
    if (this.#over.signal.aborted) return;
    const retry = this.#loop.after(this.#waits.nextMs(), () => {
      this.#failed = undefined;
      this.#hasty = 0;
      this.look();
    });
    this.#failed = { device, toldMs, retry };
    this.#tellClients();
    // Once for each reason, however often it is tried.
    if (this.#lastFailure !== reason) {
      this.#lastFailure = reason;
      const { id } = this.#wish;
      this.#log.warn(
        { code: "NOT_ATTACHED", peer: this.#watch.address, wish: id, busid: device.facts.busid },
        `NOT_ATTACHED ${device.facts.busid} of ${this.#watch.address} (wish ${id}): ${reason} It is tried again.`,
      );
    }
    // What was told meanwhile may be news.
    this.look();
  }

  #tellClients(): void {
    for (const client of this.#clients) client.told();
  }
}

/** What the host has told of the device, if it is that device which it gives. */
function descriptorsOf({ facts }: HostDevice, record: DeviceRecordValue): Uint8Array | undefined {
  return isSameDevice(facts, record) ? facts.descriptors : undefined;
}
