import type { PluggedGadget } from "./backing/plugged-gadget.ts";
import type { GadgetRack } from "./gadget-rack.ts";
import type { PlannedGadget } from "./serve-plan.ts";

interface ServedGadget extends PlannedGadget {
  readonly busid: string;
}

/** Gadgets that are open for another plan. Either `adopt` or `abandon` follows. */
export interface OpenedGadgets {
  /** Serves these, and no others; tells in words what has changed. */
  adopt(): readonly string[];
  abandon(): Promise<void>;
}

/** The gadgets that were asked for at the start or in the configuration. Others are plugged by the control API. */
export class ServedGadgets {
  readonly #rack: GadgetRack;
  #served: readonly ServedGadget[] = [];

  constructor(rack: GadgetRack) {
    this.#rack = rack;
  }

  /** Opens those of a plan that are not served; rejects as the rack does, and opens none. */
  async open(planned: readonly PlannedGadget[]): Promise<OpenedGadgets> {
    // One that was unplugged meanwhile is plugged again if the plan still has it.
    const served = this.#served.filter(({ busid }) => this.#rack.has(busid));
    const { kept, gone, added } = sorted(served, planned);
    const opened: (readonly [PlannedGadget, PluggedGadget])[] = [];
    const abandon = async (): Promise<void> => {
      await Promise.allSettled(opened.map(([, gadget]) => gadget.close()));
    };
    try {
      for (const gadget of added) {
        // One after the other: their order is that of the bus ids, and the first failure is the one to tell.
        // oxlint-disable-next-line no-await-in-loop
        opened.push([gadget, await this.#rack.open(gadget.specification)]);
      }
    } catch (error) {
      await abandon();
      throw error;
    }
    return {
      adopt: () => {
        for (const { busid } of gone) this.#rack.withdraw(busid);
        const shared = opened.map(([{ text, specification }, gadget]): ServedGadget => {
          const { busid } = this.#rack.offer(specification, gadget);
          return { text, specification, busid };
        });
        this.#served = [...kept, ...shared];
        return [
          ...gone.map(({ busid }) => `withdrew ${busid}`),
          ...shared.map(({ busid }) => `shares ${busid}`),
        ];
      },
      abandon,
    };
  }
}

/** A text that stands there twice is two gadgets. */
function sorted(
  served: readonly ServedGadget[],
  planned: readonly PlannedGadget[],
): { kept: readonly ServedGadget[]; gone: readonly ServedGadget[]; added: readonly PlannedGadget[] } {
  const added = [...planned];
  const kept: ServedGadget[] = [];
  const gone: ServedGadget[] = [];
  for (const gadget of served) {
    const at = added.findIndex(({ text }) => text === gadget.text);
    if (at < 0) gone.push(gadget);
    else {
      added.splice(at, 1);
      kept.push(gadget);
    }
  }
  return { kept, gone, added };
}
