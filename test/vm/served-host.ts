import { ExportTable } from "../../src/daemon/export-table.ts";
import { Host } from "../../src/daemon/host.ts";
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import type { UsbDevice } from "../../src/usb/device.ts";

/** The one line that a session leaves when it ends. */
export interface SessionEnding {
  readonly code: string;
  readonly busid: string | undefined;
  /** On the runner's clock, performance.now(). */
  readonly atMs: number;
}

/** A host in this process, on the loopback interface, which guests reach through their network. */
export class ServedHost {
  readonly endings: SessionEnding[] = [];
  readonly #exports = new ExportTable();
  readonly #host: Host;
  #port = 0;

  private constructor(devices: Readonly<Record<string, UsbDevice>>) {
    for (const [busid, device] of Object.entries(devices)) this.#exports.add(busid, device);
    const note = (fields: object): void => {
      if (!("code" in fields) || !("durationMs" in fields)) return;
      const busid = "busid" in fields ? String(fields.busid) : undefined;
      this.endings.push({ code: String(fields.code), busid, atMs: performance.now() });
    };
    this.#host = new Host(this.#exports, new LibuvLoop(), { info: note, warn: note });
  }

  /** Serves each device under its bus id. */
  static async start(devices: Readonly<Record<string, UsbDevice>>): Promise<ServedHost> {
    const served = new ServedHost(devices);
    await served.#host.listen([{ kind: "tcp", host: "127.0.0.1", port: 0 }]);
    served.#port = Number(served.#host.addresses[0]!.split(":").at(-1));
    return served;
  }

  get port(): number {
    return this.#port;
  }

  stop(): Promise<void> {
    return this.#host.stop();
  }
}
