import type { Gadget } from "../../gadgets/gadget.ts";
import type { Speed } from "../../usb/speed.ts";
import type { TransferCounters } from "../../usb/transfer-counters.ts";
import type { DistantDevice } from "../../usbip/exports.ts";
import type { ImportRefusal } from "../../usbip/server.ts";
import type { SessionEnd } from "../session-end.ts";
import type { Connection } from "./plane-message.ts";

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

/** A gadget that lives in the worker, as the main thread knows it. */
export class PlaneGadget implements DistantDevice {
  readonly speed: Speed;
  readonly descriptors: Uint8Array;
  /** It is configured by whoever has it, and then not listed. */
  readonly configuration = 0;
  /** Hands a connection over that has asked for it. */
  readonly carry: (connection: Connection, watcher: CarriedWatcher) => CarriedSession;
  /** Takes it away, also from a session that has it. */
  readonly unplug: () => void;

  constructor(
    { speed, descriptors }: Gadget,
    carry: (connection: Connection, watcher: CarriedWatcher) => CarriedSession,
    unplug: () => void,
  ) {
    this.speed = speed;
    this.descriptors = descriptors;
    this.carry = carry;
    this.unplug = unplug;
  }
}
