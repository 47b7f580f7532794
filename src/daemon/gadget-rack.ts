import { GadgetSpecificationError, parseGadgetSpec } from "../gadgets/catalog.ts";
import type { Loop } from "../usb/loop.ts";
import { type PluggedGadget, plugGadget, standsAlone } from "./backing/plugged-gadget.ts";
import type { DataPlane } from "./data-plane/data-plane.ts";
import type { ExportTable } from "./export-table.ts";
import { Failed, WrongUsage } from "./failure.ts";
import type { Log } from "./log.ts";
import type { SessionRegistry } from "./session-registry.ts";

/** Far more than a test bench has; what stands behind a gadget costs memory and descriptors. */
const GADGETS = 256;

/** The gadgets of a host: plugged and unplugged while it runs. */
export class GadgetRack {
  readonly #exports: ExportTable;
  readonly #sessions: SessionRegistry;
  readonly #loop: Loop;
  readonly #log: Log;
  readonly #openPlane: () => DataPlane | undefined;
  /** Opened for the first gadget that it can have. */
  #plane: { readonly opened: DataPlane | undefined } | undefined;
  readonly #plugged = new Map<string, PluggedGadget>();
  /** Being opened. */
  #opening = 0;

  /** `openPlane` starts a worker for gadgets that need no event loop; nothing where there is none. */
  constructor(
    exports: ExportTable,
    sessions: SessionRegistry,
    loop: Loop,
    log: Log,
    openPlane: () => DataPlane | undefined = () => undefined,
  ) {
    this.#exports = exports;
    this.#sessions = sessions;
    this.#loop = loop;
    this.#log = log;
    this.#openPlane = openPlane;
  }

  /** Throws WrongUsage for a text that is no gadget. */
  check(text: string): void {
    specificationOf(text);
  }

  /** Offers a gadget and tells its bus id; rejects with WrongUsage, AccessDenied, Failed or a SystemError. */
  async plug(text: string): Promise<{ readonly busid: string; readonly note?: string }> {
    const specification = specificationOf(text);
    if (this.#plugged.size + this.#opening >= GADGETS) {
      throw new Failed(`${GADGETS} gadgets are plugged in. Unplug one first.`);
    }
    this.#opening++;
    try {
      if (standsAlone(specification)) this.#plane ??= { opened: this.#openPlane() };
      const gadget = await plugGadget(specification, this.#loop, this.#log, this.#plane?.opened);
      const { busid } = this.#exports.add(specification.kind, gadget.device);
      this.#plugged.set(busid, gadget);
      return { busid, ...(gadget.note !== undefined && { note: gadget.note }) };
    } finally {
      this.#opening--;
    }
  }

  /** Takes it away, also from a session that has it; false if no gadget has this bus id. */
  async unplug(busid: string): Promise<boolean> {
    const gadget = this.#plugged.get(busid);
    if (gadget === undefined) return false;
    this.#plugged.delete(busid);
    const holder = this.#sessions.holder(busid);
    this.#exports.remove(busid);
    gadget.device.unplug();
    if (holder !== undefined) await this.#sessions.over(holder.id);
    await gadget.close();
    return true;
  }

  /** Gives back what stands behind them, when no session has one any more. */
  async close(): Promise<void> {
    const gadgets = Array.from(this.#plugged.values());
    this.#plugged.clear();
    await Promise.allSettled(gadgets.map((gadget) => gadget.close()));
    await this.#plane?.opened?.stop();
  }
}

function specificationOf(
  text: string,
): Exclude<ReturnType<typeof parseGadgetSpec>, GadgetSpecificationError> {
  const specification = parseGadgetSpec(text);
  if (specification instanceof GadgetSpecificationError) {
    throw new WrongUsage(`gadget "${text}": ${specification.message}`);
  }
  return specification;
}
