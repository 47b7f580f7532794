import type { HardwareDevice } from "../../hardware/hardware-device.ts";
import type { UsbDevice } from "../../usb/device.ts";
import type { Loop } from "../../usb/loop.ts";
import { EventLog } from "../event-log.ts";
import { ExportTable, type SharedDevice } from "../export-table.ts";
import { Failed } from "../failure.ts";
import { readHardwareChoice } from "../hardware/hardware-choice.ts";
import { HardwareRack, type NamedDevice } from "../hardware/hardware-rack.ts";
import type { MachineRoots } from "../hardware/machine-roots.ts";
import { usbBackend } from "../hardware/usb-backend.ts";
import type { Log } from "../log.ts";
import { RULES, RuleBook } from "../rules/rule-book.ts";
import { SessionRegistry } from "../session-registry.ts";
import { BINDS, BindList } from "../state/binds.ts";
import type { DriverClaims } from "../state/driver-claims.ts";
import { PassingState } from "../state/open-wishes.ts";

/** What real devices of a controller stand on. */
export interface HardwareSurroundings {
  readonly loop: Loop;
  readonly log: Log;
  readonly roots: MachineRoots;
  readonly claims: DriverClaims | undefined;
  /** Which devices are to be plugged in has changed. */
  readonly changed: () => void;
  readonly source?: (device: HardwareDevice) => UsbDevice;
  /** Begins to tell the rack what is plugged in, at the first wish. Default: by the events of this machine's kernel. */
  readonly follow?: (rack: HardwareRack) => Promise<void>;
}

/**
 * The devices of this machine that a controller was told to have. They come and go by the events of the kernel: one that is plugged
 * in again is to be had again. Neither binds nor rules of this machine count here.
 */
export class HardwareWishes {
  readonly #rack: HardwareRack;
  readonly #exports = new ExportTable();
  #wishes: readonly NamedDevice[] = [];
  readonly #follow: (rack: HardwareRack) => Promise<void>;
  #following: Promise<void> | undefined;

  constructor({ loop, log, roots, claims, changed, source, follow }: HardwareSurroundings) {
    this.#follow = follow ?? ((rack) => rack.start());
    const events = new EventLog();
    this.#rack = new HardwareRack({
      exports: this.#exports,
      sessions: new SessionRegistry(events),
      events,
      rules: new RuleBook(new PassingState(RULES.empty), () => {}),
      binds: new BindList(new PassingState(BINDS.empty)),
      loop,
      log,
      roots,
      claims,
      force: () => "use --force.",
      source: source ?? ((device) => usbBackend().source(device, log, claims)),
    });
    this.#exports.watch(changed);
  }

  /** Devices that are wished for and there. */
  *there(): Iterable<SharedDevice> {
    yield* this.#exports.devices();
  }

  /** Wishes that no device fulfils at this moment. */
  get waiting(): readonly string[] {
    const wanted = this.#rack.wanted();
    return wanted.filter(({ busids }) => busids.length === 0).map(({ device }) => device);
  }

  has(text: string): boolean {
    return this.#wishes.some((wish) => wish.text === text);
  }

  /** Whether this device is there because of that wish. */
  isMeant(text: string, busid: string): boolean {
    return this.#rack.wanted().some(({ device, busids }) => device === text && busids.includes(busid));
  }

  /** `device` is what `text` stands for. Rejects with WrongUsage, or Failed if the machine would lose what it needs. */
  async add(text: string, device: string, isForced: boolean): Promise<void> {
    const choice = readHardwareChoice(device);
    this.#following ??= this.#follow(this.#rack);
    await this.#following;
    const before = this.#wishes;
    this.#wishes = [...before, { text, choice, isForced }];
    await this.#rack.name(this.#wishes);
    const refused = this.#rack
      .list()
      .find(({ busid, obstacle }) => obstacle !== undefined && this.isMeant(text, busid));
    if (refused === undefined) return;
    this.#wishes = before;
    await this.#rack.name(before);
    throw new Failed(refused.obstacle ?? "");
  }

  /** What is plugged in because of it is offered no more. */
  async remove(text: string): Promise<void> {
    this.#wishes = this.#wishes.filter((wish) => wish.text !== text);
    await this.#rack.name(this.#wishes);
  }

  /** What was asked for that this device is. */
  wishFor(busid: string): string {
    return this.#wishes.find(({ text }) => this.isMeant(text, busid))?.text ?? busid;
  }

  /** A controller has it, or has given it back. */
  mark(shared: SharedDevice, attached: boolean): void {
    this.#exports.mark(shared, attached);
  }

  async close(): Promise<void> {
    await this.#rack.close();
  }
}
