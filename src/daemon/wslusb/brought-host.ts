import type { Link } from "../../links/link.ts";
import type { Loop } from "../../usb/loop.ts";
import type { PushedDevice } from "../../usbip/event-pdu.ts";
import { failureKind } from "../failure.ts";
import type { ReadyImport } from "../remote-host.ts";
import { KICKED } from "../session-end.ts";
import { HostConnection } from "./host-connection.ts";

/** A host that makes devices up must not fill all ports of this kernel at once. */
const DEVICES = 64;

/** What a guest says to the devices of a host that has dialled in. */
export interface BroughtHostOwner {
  isWanted(device: PushedDevice): boolean;
  /** Gives it to the kernel; resolves when that is done. Rejects with what is to be told. */
  welcome(ready: ReadyImport): Promise<void>;
  failed(reason: string): void;
}

/** A host that has dialled in and speaks WSL-USB: all its devices come over the one connection, now and later. */
export class BroughtHost {
  readonly #connection: HostConnection;
  readonly #owner: BroughtHostOwner;
  /** Bus ids that are being taken, or are here. */
  readonly #here = new Set<string>();
  #end: (() => void) | undefined;

  constructor(link: Link, loop: Loop, owner: BroughtHostOwner) {
    this.#connection = new HostConnection(link, loop);
    this.#owner = owner;
  }

  /** Takes what is wanted until the connection ends or `close` is called. Rejects with Failed. */
  async run(): Promise<void> {
    await this.#connection.greet();
    await new Promise<void>((ended, failed) => {
      const following = this.#connection.follow({
        put: (device) => void this.#consider(device),
        remove: () => {},
        ended: () => ended(),
      });
      following.then((stop) => {
        this.#end = () => {
          stop();
          ended();
        };
      }, failed);
    });
  }

  /** Takes nothing more; devices that are here stay. */
  close(): void {
    if (this.#end === undefined) this.#connection.destroy(KICKED);
    else this.#end();
  }

  async #consider(device: PushedDevice): Promise<void> {
    const { busid } = device;
    if (!device.isFree || this.#here.has(busid) || !this.#owner.isWanted(device)) return;
    if (this.#here.size >= DEVICES) return;
    this.#here.add(busid);
    try {
      const ready = await this.#connection.import(busid);
      void ready.remote.ended.then(() => this.#here.delete(busid));
      await this.#owner.welcome(ready);
    } catch (error) {
      if (failureKind(error) === "defect") throw error;
      this.#here.delete(busid);
      this.#owner.failed((error as Error).message);
    }
  }
}
