import { type Bus, wordInPage } from "./bus.ts";
import { LINKS_MAX } from "./limits.ts";
import { addressOf, TRB_SIZE, TrbBit, TrbType, typeOf } from "./trb.ts";

/** What `fetch` found: a TRB, none that belongs to the controller yet, or memory that is no ring. */
export const Fetched = { trb: 0, none: 1, broken: 2 } as const;
export type Fetched = (typeof Fetched)[keyof typeof Fetched];

/** A ring of commands or of an endpoint, from its consumer's side (xHCI §4.9.2). */
export class TrbRing {
  /** Where the next TRB is, and the cycle bit that it has once it is the controller's. */
  dequeue = 0;
  cycle = 0;
  /** The TRB that was fetched last. */
  address = 0;
  readonly words = new Int32Array(4);
  /** TRBs and links that were walked, for whoever limits that. */
  walked = 0;

  move(dequeue: number, cycle: number): void {
    this.dequeue = dequeue;
    this.cycle = cycle;
  }

  /** As if nothing had been fetched since. */
  goBack(dequeue: number, cycle: number, walked: number): void {
    this.move(dequeue, cycle);
    this.walked = walked;
  }

  /** Follows links to the next TRB and takes it. */
  fetch(bus: Bus): Fetched {
    for (let links = 0; links <= LINKS_MAX; links++) {
      const page = bus.page(this.dequeue, false);
      if (page === undefined) return Fetched.broken;
      const at = wordInPage(this.dequeue);
      // The driver writes this word last, so it is read first.
      const control = Atomics.load(page, at + 3);
      if ((control & TrbBit.C) !== this.cycle) return Fetched.none;
      this.walked++;
      if (typeOf(control) === TrbType.LINK) {
        if ((control & TrbBit.TC) !== 0) this.cycle ^= 1;
        this.dequeue = addressOf(page[at]!, page[at + 1]!, TRB_SIZE);
        continue;
      }
      const { words } = this;
      words[0] = page[at]!;
      words[1] = page[at + 1]!;
      words[2] = page[at + 2]!;
      words[3] = control;
      this.address = this.dequeue;
      this.dequeue += TRB_SIZE;
      return Fetched.trb;
    }
    return Fetched.broken;
  }
}
