import { plugGadget } from "../../src/daemon/backing/plugged-gadget.ts";
import { DataPlane } from "../../src/daemon/data-plane/data-plane.ts";
import { EventLog } from "../../src/daemon/event-log.ts";
import { ExportTable } from "../../src/daemon/export-table.ts";
import { Host } from "../../src/daemon/host.ts";
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import { SessionRegistry } from "../../src/daemon/session-registry.ts";
import { GadgetSpecificationError, parseGadgetSpec } from "../../src/gadgets/catalog.ts";
import type { UsbDevice } from "../../src/usb/device.ts";

/** The one line that a session leaves when it ends. */
export interface SessionEnding {
  readonly code: string;
  readonly busid: string | undefined;
  /** On the runner's clock, performance.now(). */
  readonly atMs: number;
}

/** A device of the test, or a gadget as `usbferry serve --gadget` takes it, which then runs where it does there. */
export type Served = Parameters<ExportTable["add"]>[1] | string;

/** A host in this process, on the loopback interface, which guests reach through their network. */
export class ServedHost {
  readonly endings: SessionEnding[] = [];
  readonly #exports = new ExportTable();
  readonly #loop = new LibuvLoop();
  readonly #registry = new SessionRegistry(new EventLog());
  readonly #host: Host;
  readonly #plane: DataPlane | undefined;
  #port = 0;

  private constructor(hasGadgets: boolean) {
    const note = (fields: object): void => {
      if (!("code" in fields) || !("durationMs" in fields)) return;
      const busid = "busid" in fields ? String(fields.busid) : undefined;
      this.endings.push({ code: String(fields.code), busid, atMs: performance.now() });
    };
    const log = { info: note, warn: note };
    this.#host = new Host(this.#exports, this.#loop, log, undefined, undefined, this.#registry);
    const plane = hasGadgets ? DataPlane.start(log) : undefined;
    if (plane instanceof Error) throw plane;
    this.#plane = plane;
  }

  /** Serves each device under its bus id. */
  static async start(devices: Readonly<Record<string, Served>>): Promise<ServedHost> {
    const served = new ServedHost(Object.values(devices).some((device) => typeof device === "string"));
    for (const [busid, device] of Object.entries(devices)) {
      // oxlint-disable-next-line no-await-in-loop -- their order is that of the list
      served.#exports.add(busid, typeof device === "string" ? await served.#plug(device) : device);
    }
    await served.#host.listen([{ kind: "tcp", host: "127.0.0.1", port: 0 }]);
    served.#port = Number(served.#host.addresses[0]!.split(":").at(-1));
    return served;
  }

  get port(): number {
    return this.#port;
  }

  /** Connections that have no device of their own: over WSL-USB a device is a session beside its connection. */
  get connections(): number {
    return this.#registry.sessions().filter(({ device }) => device === undefined).length;
  }

  /** A device more; what is answered offers it no longer, and resolves when nobody has it. */
  plug(busid: string, device: UsbDevice): () => Promise<void> {
    this.#exports.add(busid, device);
    return () => this.#exports.withdraw(busid);
  }

  async stop(): Promise<void> {
    await this.#host.stop();
    await this.#plane?.stop();
  }

  async #plug(text: string): Promise<Parameters<ExportTable["add"]>[1]> {
    const specification = parseGadgetSpec(text);
    if (specification instanceof GadgetSpecificationError) throw new Error(specification.message);
    const silent = { info: () => {}, warn: () => {} };
    return (await plugGadget(specification, this.#loop, silent, this.#plane)).device;
  }
}
