import type { Cancellable, Loop } from "../usb/loop.ts";
import type { Bus } from "./bus.ts";
import { EventRing, type EventRingPlace, Pushed } from "./event-ring.ts";
import { ERDP, IMAN, InterrupterRegister } from "./registers.ts";
import { addressOf } from "./trb.ts";

const IMOD_RESET = 4000;
const IMOD_UNIT_MS = 0.000_25;
/** What is left of an interval and shorter than this is waited for turn by turn, so many at most: timers are coarser. */
const SHORT_MS = 0.25;
const TURNS_MAX = 200;

/** What an interrupter needs of its controller. */
export interface InterrupterOutput {
  readonly bus: Bus;
  readonly loop: Loop;
  /** USBCMD.INTE. */
  readonly isInterrupting: boolean;
  /** Sets USBSTS.EINT. */
  pending(): void;
  raise(vector: number): void;
  /** An event could not be written. */
  lost(): void;
  /** The driver has made room in a full ring. */
  relieved(): void;
}

/** One interrupter (xHCI §4.17): an event ring, and when the driver is told of it. */
export class Interrupter {
  readonly #vector: number;
  readonly #output: InterrupterOutput;
  readonly #ring: EventRing;
  #iman = 0;
  #imod = IMOD_RESET;
  #tableSize = 0;
  #tableLow = 0;
  #tableHigh = 0;
  #dequeueLow = 0;
  #dequeueHigh = 0;
  #isBusy = false;
  /** An event asks for an interrupt (IPE, xHCI §4.17.2). */
  #isAsked = false;
  #nextMs = 0;
  #timer: Cancellable | undefined;
  #isWaiting = false;
  #turnsWaited = 0;
  #isDraining = false;

  constructor(vector: number, output: InterrupterOutput) {
    this.#vector = vector;
    this.#output = output;
    this.#ring = new EventRing(output.bus);
  }

  get isCongested(): boolean {
    return this.#ring.isCongested;
  }

  get place(): EventRingPlace {
    return this.#ring.place;
  }

  resume(place: EventRingPlace): void {
    this.#ring.resume(place);
  }

  reset(): void {
    this.#ring.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#isWaiting = false;
    this.#iman = 0;
    this.#imod = IMOD_RESET;
    this.#tableSize = 0;
    this.#tableLow = 0;
    this.#tableHigh = 0;
    this.#dequeueLow = 0;
    this.#dequeueHigh = 0;
    this.#isBusy = false;
    this.#isAsked = false;
    this.#nextMs = 0;
  }

  read(register: number): number {
    switch (register) {
      case InterrupterRegister.IMAN:
        return this.#iman;
      case InterrupterRegister.IMOD:
        return this.#imod;
      case InterrupterRegister.ERSTSZ:
        return this.#tableSize;
      case InterrupterRegister.ERSTBA:
        return this.#tableLow;
      case InterrupterRegister.ERSTBA + 4:
        return this.#tableHigh;
      case InterrupterRegister.ERDP:
        return this.#dequeueLow | (this.#isBusy ? ERDP.EHB : 0);
      case InterrupterRegister.ERDP + 4:
        return this.#dequeueHigh;
      default:
        return 0;
    }
  }

  write(register: number, value: number): void {
    switch (register) {
      case InterrupterRegister.IMAN:
        this.#iman = (this.#iman & ~value & IMAN.IP) | (value & IMAN.IE);
        this.deliver();
        break;
      case InterrupterRegister.IMOD:
        this.#imod = value;
        break;
      case InterrupterRegister.ERSTSZ:
        this.#tableSize = value & 0xffff;
        break;
      case InterrupterRegister.ERSTBA:
        this.#tableLow = value & ~63;
        break;
      case InterrupterRegister.ERSTBA + 4:
        this.#tableHigh = value;
        this.#ring.load(addressOf(this.#tableLow, this.#tableHigh, 64), this.#tableSize);
        break;
      case InterrupterRegister.ERDP:
        this.#dequeueLow = value & ~(ERDP.EHB | 0);
        if ((value & ERDP.EHB) !== 0) this.#isBusy = false;
        this.#dequeueMoved();
        break;
      case InterrupterRegister.ERDP + 4:
        this.#dequeueHigh = value;
        this.#dequeueMoved();
        break;
    }
  }

  /** Puts an event into the ring. `isQuiet`: it asks for no interrupt (BEI). */
  post(low: number, high: number, status: number, control: number, isQuiet: boolean): void {
    // Nobody has asked to hear of it (xHCI §5.5.2.3.1).
    if (this.#tableSize === 0) return;
    const pushed = this.#ring.push(low, high, status, control);
    if (pushed === Pushed.lost) {
      this.#output.lost();
      return;
    }
    if (this.#ring.isPaused) return;
    if (isQuiet && pushed === Pushed.written) return;
    this.#isAsked = true;
    this.#update();
  }

  /** Nothing is written into the ring. */
  pause(): void {
    this.#ring.isPaused = true;
  }

  endPause(): void {
    this.#ring.isPaused = false;
    this.#drain();
  }

  /** Raises the interrupt that is pending, if it may be. */
  deliver(): void {
    if (this.#iman !== (IMAN.IP | IMAN.IE) || !this.#output.isInterrupting) return;
    // A message has been sent: nothing is pending (xHCI §4.17.5).
    this.#iman = IMAN.IE;
    this.#nextMs = this.#output.loop.now() + (this.#imod & 0xffff) * IMOD_UNIT_MS;
    this.#output.raise(this.#vector);
  }

  /** Writes what waited for room, or for memory; not in the register write, of which half is still to come. */
  #drain(): void {
    const wasCongested = this.#ring.isCongested;
    const pushed = this.#ring.drain();
    if (pushed === Pushed.lost) this.#output.lost();
    if (pushed !== Pushed.written) return;
    this.#isAsked = true;
    this.#update();
    if (wasCongested && !this.#ring.isCongested) this.#output.relieved();
  }

  #drainSoon(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#output.loop.soon(() => {
      this.#isDraining = false;
      this.#drain();
    });
  }

  #dequeueMoved(): void {
    this.#ring.dequeue = addressOf(this.#dequeueLow, this.#dequeueHigh, 16);
    if (this.#ring.isCongested) {
      this.#drainSoon();
    } else {
      this.#ring.drain();
      if (this.#ring.isEmpty) this.#isAsked = false;
    }
    this.#update();
  }

  #update(): void {
    if (!this.#isAsked || this.#isBusy) return;
    const leftMs = this.#nextMs - this.#output.loop.now();
    if (leftMs > 0) {
      this.#wait(leftMs);
      return;
    }
    this.#turnsWaited = 0;
    this.#isBusy = true;
    this.#iman |= IMAN.IP;
    this.#output.pending();
    this.deliver();
  }

  #wait(leftMs: number): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    const { loop } = this.#output;
    const over = (): void => {
      this.#isWaiting = false;
      this.#timer = undefined;
      this.#update();
    };
    this.#turnsWaited = leftMs < SHORT_MS ? this.#turnsWaited + 1 : TURNS_MAX;
    if (this.#turnsWaited < TURNS_MAX) loop.soon(over);
    else this.#timer = loop.after(leftMs, over);
  }
}
