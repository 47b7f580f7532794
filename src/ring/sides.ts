import type { OpenError, UsbDevice } from "../usb/device.ts";
import type { TransferCounters } from "../usb/transfer-counters.ts";
import type { SessionTrace } from "../usb/urb-trace.ts";
import type { ProtocolError } from "../wire/protocol-error.ts";
import type { RingDevice } from "./guest-device.ts";
import type { RingStream } from "./streams.ts";

/** What either engine asks of the place where it runs. */
export interface RingOutput {
  /**
   * The other side sleeps and there is something for it; its `bell` word has changed. Whoever waits for that word by
   * futex or `Atomics.wait` is to be woken up, whoever waits for a descriptor, by that.
   */
  wake(): void;
  /** Something was sent that did not come of a `poll`: an answer may follow soon. */
  sent?(): void;
  /** A session has begun: both sides have greeted each other. */
  began(): void;
  /** It is over; the next one may begin. Nothing if the other side has ended it in good order. */
  ended(error?: ProtocolError): void;
  /** Nothing was heard of the other side for a while (true), or it is back (false). */
  orphaned?(isSilent: boolean): void;
  /** No stream is open any more. */
  idle?(): void;
}

export interface HostOutput extends RingOutput {
  /** Takes the streams of the guest; without it there are none. */
  readonly streams?: {
    /** What they are called. */
    readonly peer: string;
    accepted(stream: RingStream): void;
  };
}

export interface GuestOutput extends RingOutput {
  /** The host shares a device; it can be opened from now on, until it is unplugged. */
  added(device: RingDevice): void;
  /** Its URBs have ended, and whoever had it open was told. */
  removed(device: RingDevice, reason: number): void;
  /** The host does not ask a device any more (true), for a `TripReason`, or does again (false). */
  tripped?(device: RingDevice, isTripped: boolean, reason: number): void;
}

/** How a shared device came to its end, for this session. */
export type DeviceEnd =
  /** The guest gave it back. */
  | "released"
  | "unplugged"
  /** It was taken back: see `RingHost.withdraw`. */
  | "withdrawn"
  /** With its session. The next guest gets it again. */
  | "disconnected";

/** A device that the guest of a ring is to have, in this session and the next ones. */
export interface Share {
  readonly device: UsbDevice;
  /**
   * True: OUT data is lent where the guest has it, and may change it while the device reads. For devices that hand it
   * on unread, as usbfs does; others get a copy.
   */
  readonly takesSharedData?: boolean;
  /**
   * The guest has it, by this id. Tells where the lives of its URBs are written, if somebody looks for lost time.
   */
  attached(counters: TransferCounters, id: number): SessionTrace | undefined;
  /** It could not be given to the guest, and is not shared any more. */
  refused(error: OpenError): void;
  /** It is free. Unless it was `disconnected`, it is not shared any more. */
  closed(end: DeviceEnd): void;
}
