import type { PacketRing } from "../../capture/packet-ring.ts";
import type { CaptureRequest } from "../../capture/recorder.ts";
import { Tap } from "../../capture/tap.ts";
import type { Gadget } from "../../gadgets/gadget.ts";
import { Keyboard, type TypingRefused } from "../../gadgets/keyboard.ts";
import type { MemoryPages } from "../../gadgets/memory-store.ts";
import type { Speed } from "../../usb/speed.ts";
import type { TransferCounters } from "../../usb/transfer-counters.ts";
import type { DistantDevice } from "../../usbip/exports.ts";
import type { ImportRefusal } from "../../usbip/server.ts";
import { newRing, type RunningCapture, recordHere } from "../capture/capture-subject.ts";
import type { SessionEnd } from "../session-end.ts";
import type { Connection } from "./plane-message.ts";
import type { TravellingStore } from "./travelling-store.ts";

/** What becomes of a connection that was handed over. */
export interface CarriedWatcher {
  /** The peer has the device. */
  imported(counters: TransferCounters): void;
  refused(refusal: ImportRefusal): void;
  /** The peer has it no longer. */
  returned(end: SessionEnd, durationMs: number): void;
  /** The session is over and the device free again. Called once. */
  finished(end: SessionEnd): void;
}

/** A session that the worker carries. */
export interface CarriedSession {
  /** Says goodbye to the peer; `destroy` follows if it does not answer. */
  stop(): void;
  destroy(): void;
  /** Cuts the peer off. */
  kick(end: SessionEnd): void;
}

/** What the worker does for one of its gadgets. */
export interface PlaneGadgetOutput {
  carry(connection: Connection, watcher: CarriedWatcher): CarriedSession;
  unplug(): void;
  /** Types on the keyboard in the worker. */
  type(text: string): Promise<TypingRefused | undefined>;
  /** Asks for the content of the disk; `lent` follows. */
  lend(): void;
  returned(pages: MemoryPages): void;
  /** Records into the ring from now on; the answer ends it. */
  record(request: CaptureRequest, ring: PacketRing): () => void;
}

/** A gadget that lives in the worker, as the main thread knows it. */
export class PlaneGadget implements DistantDevice {
  readonly speed: Speed;
  readonly descriptors: Uint8Array;
  readonly #twin: Gadget;
  readonly #twinTap: Tap;
  readonly #store: TravellingStore | undefined;
  readonly #output: PlaneGadgetOutput;
  #isBorrowed = false;
  #isLentSoon = false;

  /** `twin` is one like it on the main thread, and `store` what that one keeps. */
  constructor(twin: Gadget, store: TravellingStore | undefined, output: PlaneGadgetOutput) {
    this.speed = twin.speed;
    this.descriptors = twin.descriptors;
    this.#twin = twin;
    this.#twinTap = new Tap(twin);
    this.#store = store;
    this.#output = output;
  }

  /** What a session in the worker has made active is not known here. */
  get configuration(): number {
    return this.#isBorrowed ? this.#twin.configuration : 0;
  }

  /** Hands a connection over that has asked for it. */
  carry(connection: Connection, watcher: CarriedWatcher): CarriedSession {
    return this.#output.carry(connection, watcher);
  }

  /** Takes it away, also from a session that has it. */
  unplug(): void {
    this.#output.unplug();
    this.#twin.unplug();
  }

  /** Records it on whichever thread a session has it. */
  record(request: CaptureRequest): RunningCapture {
    const there = newRing();
    const stopThere = this.#output.record(request, there);
    const here = recordHere(this.#twinTap, request);
    return {
      rings: [there, ...here.rings],
      stop: () => {
        stopThere();
        here.stop();
      },
    };
  }

  /** Types on the keyboard that the guest has: that of the worker, or the one here while it is borrowed. */
  async type(text: string): Promise<TypingRefused | undefined> {
    return this.#isBorrowed && this.#twin instanceof Keyboard
      ? this.#twin.type(text)
      : this.#output.type(text);
  }

  /**
   * The gadget for a connection of the main thread, which may have devices of both; `giveBack` follows. No session may have it
   * in the worker.
   */
  borrow(): Tap {
    this.#isBorrowed = true;
    if (this.#store?.isHere === false && !this.#isLentSoon) {
      this.#isLentSoon = true;
      this.#output.lend();
    }
    return this.#twinTap;
  }

  giveBack(): void {
    this.#isBorrowed = false;
    if (this.#store?.isHere === true) this.#output.returned(this.#store.leave());
  }

  /** The worker has sent what its disk contains. */
  lent(pages: MemoryPages): void {
    this.#isLentSoon = false;
    this.#store!.came(pages);
    if (!this.#isBorrowed) this.giveBack();
  }
}
