import type { Arrivals, DeviceWatch, WatchListener } from "../../hardware/device-watch.ts";
import type { HardwareDevice } from "../../hardware/hardware-device.ts";
import { repairDrivers } from "../../hardware/usbfs/driver-repair.ts";
import { compareBusids, enumerate } from "../../hardware/usbfs/enumeration.ts";
import type { UsbDevice } from "../../usb/device.ts";
import type { Loop } from "../../usb/loop.ts";
import { deviceIdentity, hex4 } from "../device-description.ts";
import type { DeviceIdentity } from "../device-event.ts";
import type { EventLog } from "../event-log.ts";
import type { ExportTable, SharedDevice } from "../export-table.ts";
import type { Log } from "../log.ts";
import { deviceFacts } from "../rules/facts.ts";
import type { RuleBook } from "../rules/rule-book.ts";
import { UNBOUND } from "../session-end.ts";
import type { SessionRegistry } from "../session-registry.ts";
import type { BindList } from "../state/binds.ts";
import type { DriverClaims } from "../state/driver-claims.ts";
import {
  type Binding,
  type Bound,
  bindDevice,
  boundDevices,
  type Unbound,
  unbindDevices,
  type WantedDevice,
} from "./binding.ts";
import { type HardwareChoice, isChosen } from "./hardware-choice.ts";
import { alikeWarnings, hasIdentity } from "./hardware-identity.ts";
import {
  describeHardware,
  type HardwareDescription,
  hardwareState,
  type ShareFacts,
} from "./hardware-state.ts";
import { lossOf } from "./loss.ts";
import type { MachineRoots } from "./machine-roots.ts";
import { type UsbBackend, usbBackend } from "./usb-backend.ts";
import { UsbNames } from "./usb-ids.ts";

/** A device that the host was told to share. */
export interface NamedDevice {
  /** As it was written. */
  readonly text: string;
  readonly choice: HardwareChoice;
  /** Also if this machine then loses what it needs. */
  readonly isForced?: boolean;
}

/** What a rack stands on. */
export interface RackSurroundings {
  readonly exports: ExportTable;
  readonly sessions: SessionRegistry;
  readonly events: EventLog;
  readonly rules: RuleBook;
  readonly binds: BindList;
  readonly loop: Loop;
  readonly log: Log;
  readonly roots: MachineRoots;
  /** What a host that was killed has taken and not given back. */
  readonly claims?: DriverClaims | undefined;
  /** Begins to tell what is plugged in. Default: as this kind of system does. */
  readonly watch?: UsbBackend["watch"];
  /** Makes the source of a device; nothing is opened yet. */
  readonly source: (device: HardwareDevice) => UsbDevice;
  /** How a person has a device all the same that this machine needs. Default: by binding it. */
  readonly force?: (busid: string) => string;
}

/** One device for as long as it is plugged in. */
interface Plugged {
  device: HardwareDevice;
  source: UsbDevice | undefined;
  shared: SharedDevice | undefined;
  because: string;
  /** Why it is not shared although somebody wants it. */
  obstacle: string | undefined;
  /** It is offered no more, and a session has it still. */
  leaving: Promise<void> | undefined;
  /** What was told of it last. */
  told: string;
  considering: Promise<void> | undefined;
  isStale: boolean;
}

/** The real devices of a host: they come and go by the events of its kernel, and are shared if somebody wants that. */
export class HardwareRack implements Binding, WatchListener {
  readonly #around: RackSurroundings;
  readonly #plugged = new Map<string, Plugged>();
  #named: readonly NamedDevice[] = [];
  #watch: DeviceWatch | undefined;
  readonly #leaving = new Set<Promise<void>>();
  readonly #names = new UsbNames();

  constructor(around: RackSurroundings) {
    this.#around = around;
  }

  /** Resolves when the devices that are plugged in have been found. Without the kernel's events there are none. */
  async start(): Promise<void> {
    const { roots, loop, watch: begin = usbBackend().watch } = this.#around;
    const watch = await begin(roots, loop, this);
    if (watch instanceof Error) this.deaf(watch);
    else this.#watch = watch;
    await this.#repair();
    await this.reconsider();
  }

  /** How it knows what is plugged in; nothing if it does not. */
  get arrivals(): Arrivals | undefined {
    return this.#watch?.arrivals;
  }

  /** The devices that this host was told to share, in the place of those before. */
  async name(devices: readonly NamedDevice[]): Promise<void> {
    this.#named = devices;
    await this.reconsider();
  }

  /** Who wants what may have changed. */
  async reconsider(): Promise<void> {
    await Promise.all(Array.from(this.#plugged.values(), (plugged) => this.#consider(plugged)));
  }

  /** Sees what the kernel does not tell of, before somebody asks: which programs have a device. */
  async look(): Promise<void> {
    await this.#watch?.look();
  }

  has(busid: string): boolean {
    return this.#plugged.has(busid);
  }

  /** Every device that is plugged in, shared or not. */
  list(): readonly HardwareDescription[] {
    return this.#inOrder().map((plugged) =>
      describeHardware(plugged.device, shareOf(plugged), plugged.obstacle),
    );
  }

  /** What the list of USB IDs of this machine calls it, as far as it has it and it was learnt. */
  nameOf({ vid, pid }: DeviceIdentity): string | undefined {
    return this.#names.of(`${vid}:${pid}`);
  }

  /** Resolves when these have their names; nothing to wait for where they have. */
  learnNames(devices: readonly DeviceIdentity[]): Promise<unknown> | undefined {
    return this.#names.learn(devices.map(({ vid, pid }) => `${vid}:${pid}`));
  }

  /** Those that somebody wants shared, plugged in or not. */
  wanted(): readonly WantedDevice[] {
    const devices = this.#devices();
    const named = this.#named.map(
      ({ text, choice }): WantedDevice => ({
        by: "device",
        device: text,
        ...(choice.by === "busid" && { busid: choice.busid }),
        ...("idVendor" in choice && { vid: hex4(choice.idVendor), pid: hex4(choice.idProduct) }),
        ...(choice.by === "serial" && { serial: choice.serial }),
        busids: devices.filter((device) => isChosen(device, choice)).map(({ busid }) => busid),
      }),
    );
    return [...boundDevices(this.#around.binds.list(), devices), ...named];
  }

  /** Devices that only their ports tell apart. */
  warnings(): readonly string[] {
    return alikeWarnings(this.#devices());
  }

  async bind(text: string, force: boolean): Promise<Bound> {
    const { binds, roots } = this.#around;
    await this.look();
    const bound = await bindDevice(binds, this.#devices(), roots, text, force);
    await this.reconsider();
    return bound;
  }

  unbind(text: string): Promise<readonly Unbound[]> {
    return this.#unbind(text);
  }

  unbindAll(): Promise<readonly Unbound[]> {
    return this.#unbind(undefined);
  }

  /** Waits until no session has any, which gives the drivers theirs back. */
  async close(): Promise<void> {
    this.#watch?.close();
    await Promise.allSettled(this.#leaving);
  }

  plugged(device: HardwareDevice): void {
    const plugged: Plugged = {
      device,
      source: undefined,
      shared: undefined,
      because: "",
      obstacle: undefined,
      leaving: undefined,
      told: "",
      considering: undefined,
      isStale: false,
    };
    this.#plugged.set(device.busid, plugged);
    void this.#consider(plugged);
  }

  changed(device: HardwareDevice): void {
    const plugged = this.#plugged.get(device.busid)!;
    const isReconfigured = plugged.device.configuration !== device.configuration;
    plugged.device = device;
    // Nobody who has it changes it behind the back of its source.
    if (isReconfigured && plugged.shared !== undefined && !plugged.shared.attached) {
      this.#withdraw(plugged);
      plugged.source = undefined;
    }
    void this.#consider(plugged);
  }

  unplugged({ busid }: HardwareDevice): void {
    const plugged = this.#plugged.get(busid)!;
    this.#plugged.delete(busid);
    if (plugged.shared !== undefined) this.#withdraw(plugged);
    else this.#tell(plugged.device, "unplugged");
  }

  deaf({ message }: Error): void {
    this.#watch = undefined;
    this.#around.log.warn(
      { code: "HARDWARE_UNKNOWN" },
      `HARDWARE_UNKNOWN devices of this machine that come and go are not noticed: ${message}`,
    );
  }

  #devices(): readonly HardwareDevice[] {
    return this.#inOrder().map(({ device }) => device);
  }

  #inOrder(): readonly Plugged[] {
    return Array.from(this.#plugged.values()).toSorted((one, other) =>
      compareBusids(one.device.busid, other.device.busid),
    );
  }

  async #unbind(text: string | undefined): Promise<readonly Unbound[]> {
    const unbound = await unbindDevices(this.#around.binds, this.#devices(), text);
    await this.reconsider();
    return Promise.all(Array.from(unbound, (each) => this.#givenBack(each)));
  }

  /** Whoever has it loses it, unless it is shared all the same. */
  async #givenBack(unbound: Unbound): Promise<Unbound> {
    const { busid = "" } = unbound;
    const plugged = this.#plugged.get(busid);
    if (plugged?.shared !== undefined) return { ...unbound, stillShared: plugged.because };
    if (plugged?.leaving !== undefined) await this.#around.sessions.endOf(busid, UNBOUND, plugged.leaving);
    return unbound;
  }

  /** Gives drivers back what a host that was killed had taken from them. */
  async #repair(): Promise<void> {
    const { claims, loop, log, roots } = this.#around;
    if (claims === undefined || claims.list().length === 0) return;
    // Linux alone has drivers that are to be told, and its sysfs alone says which interface has one.
    const repairs = await repairDrivers(claims.list(), await enumerate(roots), loop);
    for (const { claim, outcome, message = "" } of repairs) {
      const { busid } = claim;
      if (outcome === "repaired") {
        log.info({ code: "REPAIRED", busid }, `REPAIRED its drivers have ${busid} again`);
      } else if (outcome === "failed") {
        log.warn(
          { code: "NOT_REPAIRED", busid },
          `NOT_REPAIRED its drivers do not have ${busid}: ${message}`,
        );
      }
    }
    await claims.forget(repairs.filter(({ outcome }) => outcome !== "failed").map(({ claim }) => claim));
  }

  /** Shares it, or not. What is asked for meanwhile is considered once more. */
  #consider(plugged: Plugged): Promise<void> {
    plugged.isStale = true;
    plugged.considering ??= this.#considerAll(plugged);
    return plugged.considering;
  }

  async #considerAll(plugged: Plugged): Promise<void> {
    while (plugged.isStale) {
      plugged.isStale = false;
      // oxlint-disable-next-line no-await-in-loop -- once more if it has changed meanwhile
      await this.#considerOnce(plugged);
    }
    // At once: what is asked for behind the loop begins another one.
    plugged.considering = undefined;
  }

  async #considerOnce(plugged: Plugged): Promise<void> {
    const { busid } = plugged.device;
    const wish = this.#wishFor(plugged.device);
    const obstacle =
      wish?.isForced === false && plugged.shared === undefined
        ? await this.#lossOf(plugged.device)
        : undefined;
    if (this.#plugged.get(busid) !== plugged) return;
    if (obstacle !== undefined && obstacle !== plugged.obstacle) {
      this.#around.log.warn({ code: "NOT_SHARED", busid }, `NOT_SHARED ${obstacle}`);
    }
    plugged.obstacle = obstacle;
    plugged.because = wish?.because ?? "";
    const isShared = plugged.shared !== undefined;
    // As long as a session has it from before, it is considered again when that is over.
    const isWanted = wish !== undefined && obstacle === undefined && plugged.leaving === undefined;
    if (isWanted && !isShared) this.#share(plugged);
    else if (!isWanted && isShared) this.#withdraw(plugged);
    const state = hardwareState(plugged.device, shareOf(plugged));
    if (plugged.told === state) return;
    // What is offered, and what is no more, has been told.
    if (isWanted === isShared) this.#tell(plugged.device, state);
    plugged.told = state;
  }

  /** Who wants it shared, and whether this machine may lose it. */
  #wishFor(device: HardwareDevice): { readonly because: string; readonly isForced: boolean } | undefined {
    if (device.imported) return undefined;
    const { binds, rules } = this.#around;
    if (binds.list().some((bind) => hasIdentity(device, bind))) return { because: "bound", isForced: true };
    const named = this.#named.find(({ choice }) => isChosen(device, choice));
    if (named !== undefined) {
      return { because: `--device ${named.text}`, isForced: named.isForced ?? false };
    }
    const rule = rules.autoBind(deviceFacts(device.busid, device, device.serial));
    return rule === undefined ? undefined : { because: `rule ${rule.id}`, isForced: false };
  }

  async #lossOf(device: HardwareDevice): Promise<string | undefined> {
    const { busid } = device;
    const loss = await lossOf(device, this.#devices(), this.#around.roots);
    if (loss === undefined) return undefined;
    const force = this.#around.force?.(busid) ?? `usbferry bind ${busid} --force`;
    return `${busid} ${loss} while a guest has it. If that is meant: ${force}`;
  }

  #share(plugged: Plugged): void {
    const { exports, log, source } = this.#around;
    const { device, because } = plugged;
    const { busid, path, busnum, devnum, serial } = device;
    plugged.source ??= source(device);
    plugged.shared = exports.addAt({ busid, path, busnum, devnum }, plugged.source, serial);
    log.info({ code: "SHARED", busid, because }, `SHARED ${busid} (${because})`);
  }

  /** A session that has it keeps it, unless it is gone. */
  #withdraw(plugged: Plugged): void {
    const { exports, log } = this.#around;
    const shared = plugged.shared!;
    const { busid } = shared;
    plugged.shared = undefined;
    const leaving = exports.unplug(shared).finally(() => {
      this.#leaving.delete(leaving);
      if (plugged.leaving === leaving) plugged.leaving = undefined;
      void this.#consider(plugged);
    });
    plugged.leaving = leaving;
    this.#leaving.add(leaving);
    log.info({ code: "UNSHARED", busid }, `UNSHARED ${busid}`);
  }

  #tell(device: HardwareDevice, reason: string): void {
    this.#around.events.publish("changed", { device: deviceIdentity(device.busid, device), reason });
  }
}

function shareOf({ shared, leaving, because }: Plugged): ShareFacts | undefined {
  if (shared !== undefined) return { attached: shared.attached, because };
  return leaving === undefined ? undefined : { attached: true, because };
}
