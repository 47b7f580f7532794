import type { RingLink } from "../../links/ring-link.ts";
import { RingGuest } from "../../ring/guest.ts";
import type { RingDevice } from "../../ring/guest-device.ts";
import type { RingFigures } from "../../ring/ring-figures.ts";
import { RingMemory } from "../../ring/ring-memory.ts";
import type { Loop } from "../../usb/loop.ts";
import type { DeviceRecordValue } from "../../usbip/pdu.ts";
import { Failed } from "../failure.ts";
import type { ReadyImport, RemoteDevice } from "../remote-host.ts";
import { endByProtocol, type SessionEnd } from "../session-end.ts";
import { recordOf } from "./device-record.ts";
import { RingPump } from "./ring-pump.ts";

const ANSWER_MS = 10_000;
/** How long a host may take to take its device back. */
export const RELEASE_MS = 2_000;
export const HOST_LEFT: SessionEnd = { code: "UNPLUGGED", reason: "the host took the device back" };

/** A device that came through memory which this process shares with its host, for as long as that is there. */
export class RingRemote implements RemoteDevice {
  readonly peer: string;
  readonly ended: Promise<SessionEnd>;
  readonly #ring: RingLink;
  readonly #guest: RingGuest;
  readonly #pump: RingPump;
  readonly #loop: Loop;
  readonly #busid: string;
  #device: RingDevice | undefined;
  #end: SessionEnd | undefined;
  #isOver = false;
  #resolve!: (end: SessionEnd) => void;
  #came: (device: RingDevice) => void = () => {};
  #failed: (error: Failed) => void = () => {};

  private constructor(busid: string, ring: RingLink, loop: Loop) {
    this.peer = ring.peer;
    this.#busid = busid;
    this.#ring = ring;
    this.#loop = loop;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#guest = new RingGuest(new RingMemory(ring.memory.bytes.buffer), loop, {
      // The end of the link says what there is to say then.
      wake: () => {
        if (!this.#isOver) ring.wake();
      },
      sent: () => this.#pump.sent(),
      began: () => {},
      ended: (error) => this.#over(error === undefined ? HOST_LEFT : endByProtocol(error)),
      added: (device) => this.#added(device),
      removed: () => this.#over(HOST_LEFT),
    });
    this.#pump = new RingPump(this.#guest, loop);
  }

  /** Waits until the host has given its device. Rejects with Failed; the ring is destroyed then. */
  static async open(busid: string, ring: RingLink, loop: Loop): Promise<ReadyImport> {
    const remote = new RingRemote(busid, ring, loop);
    const device = await remote.#wait();
    return { remote, device };
  }

  get record(): DeviceRecordValue {
    return recordOf(this.#busid, this.#device!);
  }

  get ring(): RingFigures | undefined {
    return this.#guest.figures;
  }

  /** Data slots in use, and transfers that the host has not answered. */
  get inUse(): { readonly slots: number; readonly urbs: number } {
    return { slots: this.#guest.usedSlots, urbs: this.#guest.pendingUrbs };
  }

  close(end: SessionEnd): void {
    if (this.#isOver) return;
    this.#end ??= end;
    // The host has it back before the memory goes.
    this.#loop.after(RELEASE_MS, () => this.#over(end));
    this.#device!.release(() => this.#over(end));
  }

  #wait(): Promise<RingDevice> {
    return new Promise((resolve, reject) => {
      const settled = (): void => timer.cancel();
      this.#came = (device) => {
        settled();
        resolve(device);
      };
      this.#failed = (error) => {
        settled();
        reject(error);
      };
      const timer = this.#loop.after(ANSWER_MS, () =>
        this.#over({ code: "PEER_SILENT", reason: `it was silent for ${ANSWER_MS / 1_000} s` }),
      );
      this.#ring.start(
        () => this.#pump.heard(),
        (cause) => this.#over(cause === undefined ? HOST_LEFT : { code: "LINK_LOST", reason: cause.message }),
      );
      this.#guest.start();
      this.#pump.heard();
    });
  }

  #added(device: RingDevice): void {
    if (this.#device !== undefined) return;
    this.#device = device;
    this.#came(device);
  }

  #over(end: SessionEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#pump.stop();
    this.#guest.stop(() => {
      this.#ring.destroy();
      const last = this.#end ?? end;
      this.#resolve(last);
      this.#failed(
        new Failed(
          `${this.peer} did not give ${this.#busid}: ${last.reason}. Look at the log of the host, and try again.`,
        ),
      );
    });
  }
}
