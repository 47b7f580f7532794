import { Fifo } from "../usb/fifo.ts";
import { type Bus, wordInPage } from "./bus.ts";
import { ERST_MAX } from "./capability-registers.ts";
import { CompletionCode } from "./completion-code.ts";
import { HELD_EVENTS_MAX } from "./limits.ts";
import { addressOf, TRB_SIZE, TrbType } from "./trb.ts";

/** What became of an event. `lost`: the ring is not in memory, or more wait for room than are kept. */
export const Pushed = { written: 0, held: 1, lost: 2 } as const;
export type Pushed = (typeof Pushed)[keyof typeof Pushed];

const SEGMENT_MIN = 16;
const SEGMENT_MAX = 4096;
const ERST_ENTRY = 16;
const ERST_ALIGN = 64;

interface Segment {
  readonly base: number;
  readonly size: number;
}

/** Where an event ring goes on. */
export interface EventRingPlace {
  readonly segment: number;
  readonly index: number;
  readonly cycle: number;
}

/**
 * An event ring from its producer's side (xHCI §4.9.4). One place always stays free; into the last but one goes the event
 * that says so, and what follows waits until the driver has read.
 */
export class EventRing {
  readonly #bus: Bus;
  #segments: Segment[] = [];
  #segment = 0;
  #index = 0;
  #cycle = 1;
  #isFull = false;
  /** The guest's memory is not there: events wait. */
  isPaused = false;
  /** Four words of each event that waits. */
  readonly #held = new Fifo<number>();
  /** What the driver reads next. */
  dequeue = 0;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  /** Takes a segment table over and begins anew. A table that cannot be is one without segments. */
  load(table: number, size: number): void {
    this.#segments = [];
    this.#move({ segment: 0, index: 0, cycle: 1 });
    this.#isFull = false;
    while (this.#held.length > 0) this.#held.shift();
    this.#bus.faulted = false;
    for (let i = 0; i < Math.min(size, 1 << ERST_MAX); i++) {
      const at = table + ERST_ENTRY * i;
      const base = addressOf(this.#bus.load(at), this.#bus.load(at + 4), ERST_ALIGN);
      const trbs = this.#bus.load(at + 8) & 0xffff;
      if (this.#bus.faulted || trbs < SEGMENT_MIN || trbs > SEGMENT_MAX) {
        this.#segments = [];
        break;
      }
      this.#segments.push({ base, size: trbs });
    }
    this.#bus.faulted = false;
  }

  clear(): void {
    this.load(0, 0);
    this.dequeue = 0;
  }

  get place(): EventRingPlace {
    return { segment: this.#segment, index: this.#index, cycle: this.#cycle };
  }

  /** Goes on where another life of the controller was. */
  resume(place: EventRingPlace): void {
    const segment = this.#segments[place.segment];
    if (segment !== undefined && place.index < segment.size) this.#move(place);
  }

  /** Whether the driver has read all. */
  get isEmpty(): boolean {
    return this.#segments.length === 0 || this.dequeue === this.#address(this.#segment, this.#index);
  }

  /** Events wait for room. */
  get isCongested(): boolean {
    return this.#held.length > 0;
  }

  push(low: number, high: number, status: number, control: number): Pushed {
    if (this.#segments.length === 0) return Pushed.lost;
    if (this.isPaused) return this.#hold(low, high, status, control);
    if (!this.#isFull && this.#free() < 2) {
      if (!this.#write(0, 0, CompletionCode.EVENT_RING_FULL << 24, TrbType.HOST_CONTROLLER << 10)) {
        return Pushed.lost;
      }
      this.#isFull = true;
    }
    if (!this.#isFull) return this.#write(low, high, status, control) ? Pushed.written : Pushed.lost;
    return this.#hold(low, high, status, control);
  }

  /** The driver has read, or the guest's memory is back: writes what waited. */
  drain(): Pushed {
    if (this.isPaused) return Pushed.held;
    return this.#isFull ? this.#drainFull() : this.#pushHeld();
  }

  #pushHeld(): Pushed {
    let pushed: Pushed = Pushed.held;
    for (let count = this.#held.length / 4; count > 0 && pushed !== Pushed.lost; count--) {
      const [low, high, status, control] = this.#takeHeld();
      const outcome = this.push(low!, high!, status!, control!);
      if (outcome !== Pushed.held) pushed = outcome;
    }
    return pushed;
  }

  #drainFull(): Pushed {
    let pushed: Pushed = Pushed.held;
    while (this.#held.length > 0 && this.#free() >= 2) {
      const [low, high, status, control] = this.#takeHeld();
      if (!this.#write(low!, high!, status!, control!)) return Pushed.lost;
      pushed = Pushed.written;
    }
    if (this.#held.length === 0 && this.#free() >= 2) this.#isFull = false;
    return pushed;
  }

  #hold(low: number, high: number, status: number, control: number): Pushed {
    if (this.#held.length >= 4 * HELD_EVENTS_MAX) return Pushed.lost;
    this.#held.push(low);
    this.#held.push(high);
    this.#held.push(status);
    this.#held.push(control);
    return Pushed.held;
  }

  #takeHeld(): readonly number[] {
    return [0, 1, 2, 3].map(() => this.#held.shift()!);
  }

  /** 0, 1, or 2 for more: places that can be written until the one that stays free. */
  #free(): number {
    const [segment, index] = this.#after(this.#segment, this.#index);
    if (this.#address(segment, index) === this.dequeue) return 0;
    const [next, nextIndex] = this.#after(segment, index);
    return this.#address(next, nextIndex) === this.dequeue ? 1 : 2;
  }

  #after(segment: number, index: number): [number, number] {
    if (index + 1 < this.#segments[segment]!.size) return [segment, index + 1];
    return [(segment + 1) % this.#segments.length, 0];
  }

  #address(segment: number, index: number): number {
    return this.#segments[segment]!.base + index * TRB_SIZE;
  }

  #write(low: number, high: number, status: number, control: number): boolean {
    const address = this.#address(this.#segment, this.#index);
    const page = this.#bus.page(address, true);
    if (page === undefined) return false;
    const at = wordInPage(address);
    page[at] = low;
    page[at + 1] = high;
    page[at + 2] = status;
    // The driver looks at the cycle bit: all else is there before it, and it is there before the interrupt.
    Atomics.store(page, at + 3, control | this.#cycle);
    const [segment, index] = this.#after(this.#segment, this.#index);
    if (index === 0 && segment === 0) this.#cycle ^= 1;
    this.#segment = segment;
    this.#index = index;
    return true;
  }

  #move({ segment, index, cycle }: EventRingPlace): void {
    this.#segment = segment;
    this.#index = index;
    this.#cycle = cycle;
  }
}
