import { encodeHandover } from "../../links/handover.ts";
import type { RingHost } from "../../ring/host.ts";
import type { RingFigures } from "../../ring/ring-figures.ts";
import type { Share } from "../../ring/sides.ts";
import type { RingPlace, RingPlaceOutput } from "./ring-place.ts";

const NOBODY = (): void => {};

/** Memory that a virtual machine has for all its devices: it is told by which id it finds the one that it has asked for. */
export class CommonMemory implements RingPlace {
  readonly #host: RingHost;
  readonly #output: RingPlaceOutput;
  #share: Share | undefined;
  /** The guest has been given it, and it is not free again. */
  #isGiven = false;
  #whenFree: () => void = NOBODY;

  constructor(host: RingHost, output: RingPlaceOutput) {
    this.#host = host;
    this.#output = output;
  }

  get figures(): RingFigures | undefined {
    return this.#host.figures;
  }

  give(share: Share): undefined {
    this.#share = {
      ...share,
      attached: (counters, id) => {
        this.#isGiven = true;
        const trace = share.attached(counters, id);
        this.#output.write(encodeHandover(id));
        return trace;
      },
      closed: (end) => {
        this.#isGiven = false;
        share.closed(end);
        this.#whenFree();
      },
    };
    this.#host.share(this.#share);
    return undefined;
  }

  /** Wake-ups have a way of their own. */
  heard(): void {}

  withdraw(): void {
    if (this.#share !== undefined) this.#host.withdraw(this.#share, NOBODY);
  }

  stop(done: () => void): void {
    if (this.#share === undefined) {
      done();
    } else if (this.#isGiven) {
      // It may be on its way back already, which the engine does not tell twice.
      this.#whenFree = done;
      this.withdraw();
    } else this.#host.withdraw(this.#share, done);
  }
}
