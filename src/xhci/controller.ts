import type { OpenError, UsbDevice } from "../usb/device.ts";
import type { Loop } from "../usb/loop.ts";
import { Bus } from "./bus.ts";
import { type ControllerPlan, capabilityRegisters, DEFAULT_PLAN } from "./capability-registers.ts";
import { Chip } from "./chip.ts";
import { CommandRing } from "./command-ring.ts";
import { CompletionCode } from "./completion-code.ts";
import type { EventRingPlace } from "./event-ring.ts";
import { FrameClock } from "./frame-clock.ts";
import type { GuestMemory, InterruptLine } from "./guest-memory.ts";
import { Interrupter } from "./interrupter.ts";
import {
  BAR_SIZE,
  DOORBELLS,
  INTERRUPTER_SIZE,
  INTERRUPTERS,
  OPERATIONAL,
  Operational,
  PORTS,
  RUNTIME,
  USBCMD,
  USBCMD_KEPT,
  USBSTS,
  USBSTS_WRITE_1_TO_CLEAR,
} from "./registers.ts";
import { RootHub } from "./root-hub.ts";
import { Slots } from "./slots.ts";
import { TransferMemory } from "./transfer-memory.ts";
import { addressOf, TrbType } from "./trb.ts";
import { Turns } from "./turns.ts";

export interface ControllerOptions {
  readonly memory: GuestMemory;
  readonly line: InterruptLine;
  readonly loop: Loop;
  readonly plan?: ControllerPlan;
  /** A device was unplugged at its source, and its port is free again. */
  readonly left?: (port: number, device: UsbDevice) => void;
}

const PAGE_SIZE_4K = 1;

/**
 * An xHCI 1.0 host controller (eXtensible Host Controller Interface for USB, Intel), a sink whose other side is the guest's
 * own driver. Registers are BAR 0; they are answered at once, and rings are walked afterwards. Whatever a guest writes, it
 * can only bring this controller to a halt.
 */
export class Controller {
  readonly #chip: Chip;
  readonly #capabilities: ReadonlyMap<number, number>;
  readonly #hub: RootHub;
  readonly #slots: Slots;
  readonly #commands: CommandRing;
  readonly #clock: FrameClock;
  #notifications = 0;
  #contextsLow = 0;
  #contextsHigh = 0;
  /** Where the event rings were when the driver saved the state, until a reset. */
  #saved: EventRingPlace[] | undefined;

  constructor(options: ControllerOptions) {
    const { memory, line, loop, plan = DEFAULT_PLAN } = options;
    const turns = new Turns(loop);
    const bus = new Bus(memory);
    const chip = new Chip(bus, loop, turns, new TransferMemory(turns));
    this.#chip = chip;
    this.#capabilities = capabilityRegisters(plan);
    this.#hub = new RootHub(chip, plan, options.left ?? (() => {}));
    this.#slots = new Slots(chip, this.#hub.ports, plan.slots);
    this.#commands = new CommandRing(chip, (words, done) => this.#slots.execute(words, done));
    this.#clock = new FrameClock(loop, () => this.#tellWrap());
    const output = {
      bus,
      loop,
      get isInterrupting(): boolean {
        return chip.isInterrupting;
      },
      pending: () => {
        chip.usbsts |= USBSTS.EINT;
      },
      raise: (vector: number) => line.raise(vector),
      lost: () => chip.fail(USBSTS.HSE),
      relieved: () => this.#wake(),
    };
    for (let i = 0; i < plan.interrupters; i++) chip.interrupters.push(new Interrupter(i, output));
  }

  /** Bytes of BAR 0. */
  get barSize(): number {
    return BAR_SIZE;
  }

  /** MSI-X vectors: one for each interrupter. */
  get vectors(): number {
    return this.#chip.interrupters.length;
  }

  /** Transfers that are under way at devices, and bytes of memory that are held for their data. */
  get inFlight(): { readonly transfers: number; readonly bytes: number } {
    const { memory } = this.#chip;
    return { transfers: memory.inFlight, bytes: memory.bytes };
  }

  /** Transfers that devices were ever given. */
  get submitted(): number {
    return this.#chip.submitted;
  }

  /** Reads a register, or a part of one; 1, 2 or 4 bytes. */
  read(offset: number, size: number): number {
    this.#chip.endPause();
    const word = this.#readWord(offset & ~3) >>> (8 * (offset & 3));
    return size >= 4 ? word >>> 0 : word & ((1 << (8 * size)) - 1);
  }

  /** Writes a register. Registers are words (xHCI §5.1): what is smaller, or not aligned, changes nothing. */
  write(offset: number, size: number, value: number): void {
    this.#chip.endPause();
    if (size === 4 && (offset & 3) === 0) this.#writeWord(offset, value | 0);
  }

  /**
   * The mappings of the guest's memory have changed: no view that was given before is used from here on. Where memory was
   * `taken` away, more changes are waited for, a moment or until the guest makes an access.
   */
  memoryChanged(change: "given" | "taken"): void {
    if (change === "taken") this.#chip.memoryTaken();
    else this.#chip.memoryGiven();
  }

  /** The state of power-on, as by a reset of the PCI function. What is plugged in stays. */
  reset(): void {
    const chip = this.#chip;
    chip.endPause();
    this.#slots.reset();
    this.#commands.reset();
    this.#clock.reset();
    for (const interrupter of chip.interrupters) interrupter.reset();
    chip.usbcmd = 0;
    chip.usbsts = USBSTS.HCH;
    this.#notifications = 0;
    this.#contextsLow = 0;
    this.#contextsHigh = 0;
    this.#saved = undefined;
    this.#hub.reset();
  }

  /**
   * Opens a device and plugs it into a port of its speed: this one, or the first that is free. Gives the number of the port;
   * nothing, and `done` hears why, if there is none.
   */
  plug(
    device: UsbDevice,
    wished: number | undefined,
    done: (refused?: OpenError) => void,
  ): number | undefined {
    return this.#hub.plug(device, wished, done);
  }

  /** Takes the device from a port; `done` when it was given back. */
  unplug(port: number, done: () => void): void {
    this.#hub.unplug(port, done);
  }

  /** Gives all devices back. */
  close(done: () => void): void {
    this.#hub.close(done);
  }

  #readWord(offset: number): number {
    const capability = this.#capabilities.get(offset);
    if (capability !== undefined) return capability;
    if (offset >= DOORBELLS) return 0;
    if (offset >= INTERRUPTERS) {
      const at = offset - INTERRUPTERS;
      const interrupter = this.#chip.interrupters[Math.floor(at / INTERRUPTER_SIZE)];
      return interrupter?.read(at % INTERRUPTER_SIZE) ?? 0;
    }
    if (offset >= RUNTIME) return offset === RUNTIME ? this.#clock.index : 0;
    if (offset >= PORTS) return this.#hub.read(offset - PORTS);
    return this.#readOperational(offset - OPERATIONAL);
  }

  #readOperational(register: number): number {
    switch (register) {
      case Operational.USBCMD:
        return this.#chip.usbcmd;
      case Operational.USBSTS:
        return this.#chip.usbsts;
      case Operational.PAGESIZE:
        return PAGE_SIZE_4K;
      case Operational.DNCTRL:
        return this.#notifications;
      case Operational.CRCR:
        return this.#commands.read();
      case Operational.DCBAAP:
        return this.#contextsLow;
      case Operational.DCBAAP + 4:
        return this.#contextsHigh;
      case Operational.CONFIG:
        return this.#slots.enabled;
      default:
        return 0;
    }
  }

  #writeWord(offset: number, value: number): void {
    if (offset >= DOORBELLS) {
      this.#ringDoorbell((offset - DOORBELLS) / 4, value & 0xff);
    } else if (offset >= INTERRUPTERS) {
      const at = offset - INTERRUPTERS;
      this.#chip.interrupters[Math.floor(at / INTERRUPTER_SIZE)]?.write(at % INTERRUPTER_SIZE, value);
    } else if (offset >= PORTS) {
      this.#hub.write(offset - PORTS, value);
    } else {
      this.#writeOperational(offset - OPERATIONAL, value);
    }
  }

  #writeOperational(register: number, value: number): void {
    const chip = this.#chip;
    switch (register) {
      case Operational.USBCMD:
        this.#command(value);
        break;
      case Operational.USBSTS:
        chip.usbsts &= ~(value & USBSTS_WRITE_1_TO_CLEAR);
        break;
      case Operational.DNCTRL:
        this.#notifications = value & 0xffff;
        break;
      case Operational.CRCR:
        this.#commands.writeLow(value);
        break;
      case Operational.CRCR + 4:
        this.#commands.writeHigh(value);
        break;
      case Operational.DCBAAP:
        this.#contextsLow = value & ~63;
        this.#slots.contexts = addressOf(this.#contextsLow, this.#contextsHigh, 64);
        break;
      case Operational.DCBAAP + 4:
        this.#contextsHigh = value;
        this.#slots.contexts = addressOf(this.#contextsLow, this.#contextsHigh, 64);
        break;
      case Operational.CONFIG:
        this.#slots.enabled = value & 0xff;
        break;
    }
  }

  #command(value: number): void {
    if ((value & USBCMD.HCRST) !== 0) {
      this.reset();
      return;
    }
    const chip = this.#chip;
    const was = chip.usbcmd;
    chip.usbcmd = value & USBCMD_KEPT;
    if ((value & USBCMD.RS) !== 0 && !chip.isRunning) this.#run();
    else if ((value & USBCMD.RS) === 0 && chip.isRunning) this.#halt();
    if (!chip.isRunning && (value & USBCMD.CSS) !== 0) this.#save();
    if (!chip.isRunning && (value & USBCMD.CRS) !== 0) this.#restore();
    if ((value & ~was & USBCMD.INTE) !== 0) {
      for (const interrupter of chip.interrupters) interrupter.deliver();
    }
    this.#clock.tellWraps((value & USBCMD.EWE) !== 0);
  }

  #run(): void {
    const chip = this.#chip;
    if ((chip.usbsts & USBSTS.HCE) !== 0) return;
    chip.usbsts &= ~USBSTS.HCH;
    this.#clock.start();
    this.#hub.announce();
    this.#wake();
  }

  /** What is under way at devices goes on, and is told of when the controller runs again. */
  #halt(): void {
    this.#chip.usbsts |= USBSTS.HCH;
    this.#clock.stop();
    this.#commands.halt();
  }

  #wake(): void {
    this.#chip.turns.add(this.#commands);
    this.#slots.wake();
  }

  /** All state is in this process; but a driver sets the event rings up anew before it asks for it (xHCI §4.23.2). */
  #save(): void {
    this.#saved = this.#chip.interrupters.map(({ place }) => place);
  }

  #restore(): void {
    if (this.#saved === undefined) this.#chip.usbsts |= USBSTS.SRE;
    for (const [i, place] of (this.#saved ?? []).entries()) this.#chip.interrupters[i]!.resume(place);
  }

  #ringDoorbell(slot: number, target: number): void {
    if (!this.#chip.isRunning) return;
    if (slot === 0) {
      if (target === 0) this.#commands.ringDoorbell();
      return;
    }
    this.#slots.find(slot)?.endpoint(target)?.ringDoorbell();
    this.#chip.checkBus();
  }

  #tellWrap(): void {
    this.#chip.post(0, 0, 0, CompletionCode.SUCCESS << 24, TrbType.MFINDEX_WRAP << 10);
  }
}
