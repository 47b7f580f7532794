import type { Loop } from "../usb/loop.ts";
import type { Bus } from "./bus.ts";
import type { Interrupter } from "./interrupter.ts";
import { MemoryPause } from "./memory-pause.ts";
import { USBCMD, USBSTS } from "./registers.ts";
import type { TransferMemory } from "./transfer-memory.ts";
import type { Turns } from "./turns.ts";

/** What all parts of a controller stand on. */
export class Chip {
  readonly bus: Bus;
  readonly loop: Loop;
  readonly turns: Turns;
  readonly memory: TransferMemory;
  readonly interrupters: Interrupter[] = [];
  readonly #pause: MemoryPause;
  usbcmd = 0;
  usbsts: number = USBSTS.HCH;
  /** Transfers that devices were ever given. */
  submitted = 0;

  constructor(bus: Bus, loop: Loop, turns: Turns, memory: TransferMemory) {
    this.bus = bus;
    this.loop = loop;
    this.turns = turns;
    this.memory = memory;
    this.#pause = new MemoryPause(loop, () => this.#memoryIsBack());
  }

  get isRunning(): boolean {
    return (this.usbsts & USBSTS.HCH) === 0;
  }

  /** The guest's memory is being mapped anew: nothing is read or written there. */
  get isPaused(): boolean {
    return this.#pause.isOn;
  }

  memoryTaken(): void {
    this.bus.forget();
    if (!this.isPaused) {
      this.turns.pause();
      for (const interrupter of this.interrupters) interrupter.pause();
    }
    this.#pause.begin();
  }

  memoryGiven(): void {
    this.bus.forget();
    this.#pause.goOn();
  }

  /** The mappings are what they are. */
  endPause(): void {
    this.#pause.end();
  }

  get isInterrupting(): boolean {
    return (this.usbcmd & USBCMD.INTE) !== 0;
  }

  /** Events wait for room in a ring: nothing is begun. */
  get isCongested(): boolean {
    for (const interrupter of this.interrupters) if (interrupter.isCongested) return true;
    return false;
  }

  #memoryIsBack(): void {
    for (const interrupter of this.interrupters) interrupter.endPause();
    this.turns.resume();
  }

  /** What the guest has set up cannot be worked with: the controller halts until it is reset (xHCI §4.24.1). */
  fail(error: number): void {
    this.usbsts |= error | USBSTS.HCH;
    this.usbcmd &= ~USBCMD.RS;
  }

  /** Fails if memory was missed where there has to be some. */
  checkBus(): void {
    if (this.bus.faulted) this.fail(USBSTS.HSE);
    this.bus.faulted = false;
  }

  post(target: number, low: number, high: number, status: number, control: number, isQuiet = false): void {
    if (this.isRunning) this.interrupters[target]?.post(low, high, status, control, isQuiet);
  }
}
