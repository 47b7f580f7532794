import { type GadgetSpecification, GadgetSpecificationError, parseGadgetSpec } from "../gadgets/catalog.ts";
import { refuseText } from "../gadgets/keyboard.ts";
import type { Loop } from "../usb/loop.ts";
import { type PluggedGadget, plugGadget, standsAlone } from "./backing/plugged-gadget.ts";
import type { DataPlane } from "./data-plane/data-plane.ts";
import type { ExportTable } from "./export-table.ts";
import { Failed, WrongUsage } from "./failure.ts";
import type { Log } from "./log.ts";

/** Far more than a test bench has; what stands behind a gadget costs memory and descriptors. */
const GADGETS = 256;

/** A gadget that is offered. */
export interface OfferedGadget {
  readonly busid: string;
  /** What a person has to know to use it. */
  readonly note?: string;
}

/** The gadgets of a host: plugged and unplugged while it runs. */
export class GadgetRack {
  readonly #exports: ExportTable;
  readonly #loop: Loop;
  readonly #log: Log;
  readonly #openPlane: () => DataPlane | undefined;
  /** Opened for the first gadget that it can have. */
  #plane: { readonly opened: DataPlane | undefined } | undefined;
  readonly #plugged = new Map<string, PluggedGadget & { readonly kind: GadgetSpecification["kind"] }>();
  /** Opened, and not offered yet. */
  #opened = 0;
  /** Gadgets that were withdrawn while a session had them. */
  readonly #leaving = new Set<Promise<void>>();

  /** `openPlane` starts a worker for gadgets that need no event loop; nothing where there is none. */
  constructor(exports: ExportTable, loop: Loop, log: Log, openPlane: () => DataPlane | undefined) {
    this.#exports = exports;
    this.#loop = loop;
    this.#log = log;
    this.#openPlane = openPlane;
  }

  has(busid: string): boolean {
    return this.#plugged.has(busid);
  }

  /** What kind of gadget has this bus id; nothing if none has. */
  kindOf(busid: string): GadgetSpecification["kind"] | undefined {
    return this.#plugged.get(busid)?.kind;
  }

  /** False if the worker that carries gadgets answers no more. */
  async answers(): Promise<boolean> {
    return (await this.#plane?.opened?.answers()) ?? true;
  }

  /** What a person has to know of single gadgets, with their bus ids. */
  get notes(): readonly string[] {
    return Array.from(this.#plugged)
      .filter(([, { note }]) => note !== undefined)
      .map(([busid, { note }]) => `${busid}: ${note}`);
  }

  /** Opens what a gadget needs; `offer` or its `close` follows. Rejects with AccessDenied, Failed or a SystemError. */
  async open(specification: GadgetSpecification): Promise<PluggedGadget> {
    if (this.#plugged.size + this.#opened >= GADGETS) {
      throw new Failed(`${GADGETS} gadgets are plugged in. Unplug one first.`);
    }
    this.#opened++;
    try {
      if (standsAlone(specification)) this.#plane ??= { opened: this.#openPlane() };
      return await plugGadget(specification, this.#loop, this.#log, this.#plane?.opened);
    } finally {
      this.#opened--;
    }
  }

  /** Gives clients what was opened. */
  offer({ kind, serial }: GadgetSpecification, gadget: PluggedGadget): OfferedGadget {
    const { busid } = this.#exports.add(kind, gadget.device, serial);
    this.#plugged.set(busid, { ...gadget, kind });
    return { busid, ...(gadget.note !== undefined && { note: gadget.note }) };
  }

  /** Rejects with WrongUsage for a text that is no gadget, else as `open`. */
  async plug(text: string): Promise<OfferedGadget> {
    const specification = readGadget(text);
    return this.offer(specification, await this.open(specification));
  }

  /** Types on a keyboard that a guest has. Rejects with WrongUsage or Failed; false if no gadget has this bus id. */
  async type(busid: string, text: string): Promise<boolean> {
    const gadget = this.#plugged.get(busid);
    if (gadget === undefined) return false;
    if (gadget.type === undefined) {
      throw new WrongUsage(`${busid} is a ${gadget.kind}: text is typed on a keyboard. Plug one in first.`);
    }
    const unknown = refuseText(text);
    if (unknown !== undefined) throw new WrongUsage(`${unknown.message}.`);
    if (this.#exports.find(busid)?.attached !== true) {
      throw new Failed(`no guest has ${busid}, so nobody would read what is typed. Attach it there first.`);
    }
    const refused = await gadget.type(text);
    if (refused !== undefined) throw new Failed(`${refused.message}.`);
    return true;
  }

  /** Offers it no more; a session that has it keeps it. */
  withdraw(busid: string): void {
    const gadget = this.#plugged.get(busid);
    if (gadget === undefined) return;
    this.#plugged.delete(busid);
    void this.#leave(busid, gadget);
  }

  /** Takes it away, also from a session that has it; false if no gadget has this bus id. */
  async unplug(busid: string): Promise<boolean> {
    const gadget = this.#plugged.get(busid);
    if (gadget === undefined) return false;
    this.#plugged.delete(busid);
    const leaving = this.#leave(busid, gadget);
    gadget.device.unplug();
    await leaving;
    return true;
  }

  /** Gives back what stands behind them, when no session has one any more. */
  async close(): Promise<void> {
    const gadgets = Array.from(this.#plugged.values());
    this.#plugged.clear();
    await Promise.allSettled([...this.#leaving, ...gadgets.map((gadget) => gadget.close())]);
    await this.#plane?.opened?.stop();
  }

  #leave(busid: string, gadget: PluggedGadget): Promise<void> {
    const leaving = this.#exports
      .withdraw(busid)
      .then(() => gadget.close())
      .catch((error: Error) =>
        this.#log.warn({ code: "STORE_FAILED", busid }, `STORE_FAILED ${busid}: ${error.message}`),
      )
      .finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
    return leaving;
  }
}

/** Throws WrongUsage. */
export function readGadget(text: string): GadgetSpecification {
  const specification = parseGadgetSpec(text);
  if (specification instanceof GadgetSpecificationError) {
    throw new WrongUsage(`gadget "${text}": ${specification.message}`);
  }
  return specification;
}
