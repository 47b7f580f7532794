import type { Link } from "../../links/link.ts";
import type { LinkError } from "../../links/link-error.ts";
import { handOver } from "../../links/ring.ts";
import { Arena } from "../../linux/arena.ts";
import type { SystemError } from "../../linux/system-error.ts";
import { RingHost } from "../../ring/host.ts";
import { type Layout, planLayout } from "../../ring/layout.ts";
import type { RingFigures } from "../../ring/ring-figures.ts";
import { RingMemory } from "../../ring/ring-memory.ts";
import type { Share } from "../../ring/sides.ts";
import type { Loop } from "../../usb/loop.ts";
import type { RingPlace, RingPlaceOutput } from "./ring-place.ts";
import { RingPump } from "./ring-pump.ts";

const BELL = Uint8Array.of(1);
const NOBODY = (): void => {};

interface Made {
  readonly host: RingHost;
  readonly pump: RingPump;
}

/** Memory for one device, which is handed over through a unix socket; then the socket carries nothing but wake-ups. */
export class OwnMemory implements RingPlace {
  readonly #link: Link;
  readonly #loop: Loop;
  readonly #output: RingPlaceOutput;
  #made: Made | undefined;
  #memory: Arena | undefined;
  #share: Share | undefined;

  constructor(link: Link, loop: Loop, output: RingPlaceOutput) {
    this.#link = link;
    this.#loop = loop;
    this.#output = output;
  }

  get figures(): RingFigures | undefined {
    return this.#made?.host.figures;
  }

  give(share: Share): SystemError | LinkError | undefined {
    const layout = planLayout() as Layout;
    let made: Made | undefined;
    const memory = handOver(this.#link, layout.total, ({ bytes }) => {
      made = this.#engine(new RingMemory(bytes.buffer), layout);
      made.host.start();
      made.host.share(share);
    });
    if (memory instanceof Arena) {
      this.#share = share;
      this.#memory = memory;
      this.#made = made;
      return undefined;
    }
    made?.pump.stop();
    made?.host.stop(NOBODY);
    return memory;
  }

  heard(): void {
    // What comes is not looked at: it says that there is something in the ring.
    this.#made?.pump.heard();
  }

  withdraw(): void {
    if (this.#share !== undefined) this.#made?.host.withdraw(this.#share, NOBODY);
  }

  stop(done: () => void): void {
    const made = this.#made;
    this.#made = undefined;
    if (made === undefined) {
      done();
      return;
    }
    made.pump.stop();
    made.host.stop(() => {
      this.#memory?.free();
      done();
    });
  }

  #engine(memory: RingMemory, layout: Layout): Made {
    const host = new RingHost(memory, this.#loop, layout, {
      // The guest that gets memory looks at it without being told; and a byte that has not left yet is heard after this.
      wake: () => {
        if (this.#made !== undefined && this.#link.unsent === 0) this.#output.write(BELL);
      },
      sent: () => this.#made?.pump.sent(),
      began: NOBODY,
      ended: (error) => {
        if (error !== undefined) this.#output.end(error);
      },
    });
    return { host, pump: new RingPump(host, this.#loop) };
  }
}
