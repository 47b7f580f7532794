import { printAddress } from "../../links/address.ts";
import type { Loop } from "../../usb/loop.ts";
import type { AgentDevice, KeptWishState } from "../agent-state.ts";
import { readDeviceChoice } from "../device-choice.ts";
import { failureKind } from "../failure.ts";
import type { Log } from "../log.ts";
import { remotePlace } from "../place.ts";
import type { RemoteHosts } from "../remote-hosts.ts";
import { AGENT_STOPPED, type SessionEnd } from "../session-end.ts";
import type { AutoWish, WishList } from "../state/wishes.ts";
import { HostWatch } from "./host-watch.ts";
import { KeptWish, type WishOwner } from "./kept-wish.ts";

/** How long an agent that ends waits for commands that run because of that. */
const HOOKS_MS = 5_000;

/** What a client wishes for. */
export interface AutoRequest {
  readonly address: string;
  /** What the one device may be named by, the first one first. */
  readonly devices: readonly string[];
  readonly onAttach?: readonly string[] | undefined;
  readonly onDetach?: readonly string[] | undefined;
}

/** What has become of a wish so far. */
export interface AutoAnswer {
  readonly wish: KeptWishState;
  /** If it is attached. */
  readonly device?: AgentDevice;
}

/** Everything that an agent keeps attached by itself, and the hosts that it follows for that. */
export class AutoAttach {
  readonly #owner: WishOwner;
  readonly #hosts: RemoteHosts;
  readonly #loop: Loop;
  readonly #log: Log;
  readonly #list: WishList;
  readonly #kept = new Map<string, KeptWish>();
  readonly #watches = new Map<string, HostWatch>();

  constructor(owner: WishOwner, hosts: RemoteHosts, loop: Loop, log: Log, list: WishList) {
    this.#owner = owner;
    this.#hosts = hosts;
    this.#loop = loop;
    this.#log = log;
    this.#list = list;
  }

  get size(): number {
    return this.#kept.size;
  }

  get states(): readonly KeptWishState[] {
    return Array.from(this.#kept.values(), ({ state }) => state);
  }

  /** Ports that are kept free for wishes other than this one, as far as there is room. */
  reserved(other?: KeptWish): ReadonlySet<number> {
    const waiting = Array.from(this.#kept.values()).filter(
      (kept) => kept !== other && kept.device === undefined,
    );
    return new Set(waiting.flatMap(({ wish }) => Object.values(wish.ports)));
  }

  /** Those of a list that are no wishes that could be kept are told, and stay. */
  takeUp(told: (wish: AutoWish, error: Error | undefined) => void): void {
    for (const wish of this.#list.autos()) {
      try {
        this.#keep(wish);
        told(wish, undefined);
      } catch (error) {
        if (failureKind(error) === "defect") throw error;
        told(wish, error as Error);
      }
    }
  }

  /**
   * Keeps the wish, durably, then resolves when its device is attached, or it is known why that has to wait. A signal
   * until then takes it back, unless it was somebody's before. Rejects with WrongUsage or Failed.
   */
  async make(request: AutoRequest, signal: AbortSignal): Promise<AutoAnswer> {
    const address = printAddress(remotePlace(request.address));
    for (const device of request.devices) readDeviceChoice(device);
    const devices = [...new Set(request.devices)];
    const hooks = {
      ...(request.onAttach && { onAttach: [...request.onAttach] }),
      ...(request.onDetach && { onDetach: [...request.onDetach] }),
    };
    const known = this.#find(address, devices[0]!);
    if (known !== undefined) {
      const { id, ports, busid } = known.wish;
      const wish = { id, address, devices, ports, ...(busid !== undefined && { busid }), ...hooks };
      known.become(wish);
      await this.#list.replaceAuto(wish);
    }
    const kept = known ?? this.#keep(await this.#list.addAuto({ address, devices, ports: {}, ...hooks }));
    try {
      await kept.settled(signal);
    } catch (error) {
      if (known === undefined && this.#kept.has(kept.wish.id)) await this.end(kept.wish.id);
      throw error;
    }
    const { device } = kept;
    return { wish: kept.state, ...(device !== undefined && { device }) };
  }

  /** Ends a wish and detaches its device; tells whether there was such a wish. */
  async end(id: string): Promise<boolean> {
    const kept = this.#kept.get(id);
    if (kept === undefined) return false;
    this.#kept.delete(id);
    await Promise.all([kept.end(), this.#list.removeAuto(id)]);
    this.#unwatch();
    return true;
  }

  /** The list is not changed: whoever calls this does that. */
  async endAll(end?: SessionEnd): Promise<void> {
    const all = Array.from(this.#kept.values());
    this.#kept.clear();
    this.#unwatch();
    await Promise.all(all.map((kept) => kept.end(end)));
  }

  /** The wishes are the next agent's. */
  async stop(): Promise<void> {
    const hooks = Array.from(this.#kept.values(), (kept) => kept.hooks);
    await this.endAll(AGENT_STOPPED);
    const ran = Promise.all(hooks.map((hook) => hook.settled));
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([ran, new Promise((resolve) => (timer = setTimeout(resolve, HOOKS_MS)))]);
    clearTimeout(timer);
  }

  /** Where a device of this wish was and was put, for the next time. */
  async remember(kept: KeptWish, ports: AutoWish["ports"], busid: string): Promise<void> {
    kept.become({ ...kept.wish, ports, busid });
    try {
      await this.#list.replaceAuto(kept.wish);
    } catch (error) {
      if (failureKind(error) === "defect") throw error;
      this.#log.warn({ code: "STATE_NOT_KEPT" }, `STATE_NOT_KEPT ${(error as Error).message}`);
    }
  }

  #keep(wish: AutoWish): KeptWish {
    const place = remotePlace(wish.address);
    const address = printAddress(place);
    let watch = this.#watches.get(address);
    const isNew = watch === undefined;
    watch ??= new HostWatch(
      place,
      this.#hosts,
      this.#loop,
      this.#log,
      () => {
        for (const kept of this.#of(address)) kept.look();
      },
      () => this.#of(address).some((kept) => kept.device === undefined),
      undefined,
    );
    const kept = new KeptWish(wish, watch, this.#owner, this.#loop, this.#log);
    this.#kept.set(wish.id, kept);
    this.#watches.set(address, watch);
    if (isNew) void watch.run();
    else {
      watch.hurry();
      kept.look();
    }
    return kept;
  }

  #of(address: string): readonly KeptWish[] {
    return Array.from(this.#kept.values()).filter((kept) => kept.address === address);
  }

  #find(address: string, device: string): KeptWish | undefined {
    return this.#of(address).find(({ wish }) => wish.devices[0] === device);
  }

  #unwatch(): void {
    for (const [address, watch] of this.#watches) {
      if (this.#of(address).length > 0) continue;
      watch.stop();
      this.#watches.delete(address);
    }
  }
}
