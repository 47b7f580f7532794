import type { Loop } from "./loop.ts";
import type { Speed } from "./speed.ts";
import type { TransferStatus, Urb } from "./urb.ts";

/**
 * Why a device could not be opened. `busy`: another sink has it. `gone`: it was unplugged. `denied`: the
 * operating system refuses. `failed`: anything else.
 */
export interface OpenError {
  readonly reason: "busy" | "gone" | "denied" | "failed";
  /** What happened and what a person can do about it. */
  readonly message: string;
}

/** Where a device appears: what a source calls. */
export interface UsbHost {
  /** The URB belongs to the host again. Never called inside `submit` or `cancel`. */
  complete(urb: Urb): void;
  /**
   * The device is gone. Called once, after every URB in flight has completed as `disconnected`. The host still
   * calls `close`.
   */
  unplugged(): void;
}

/** Memory that a device can reach without a copy. */
export interface BufferPool {
  /** At least `length` bytes, at an address that four divides; nothing when the pool is exhausted, or where ordinary memory is as good. */
  take(length: number): Uint8Array | undefined;
  give(buffer: Uint8Array): void;
}

/**
 * Where a device lives: the one interface between any source and any sink.
 *
 * Order: URBs that are not cancelled complete in submission order per endpoint (and stream). A cancelled
 * URB completes as soon as the source lets go of it, within a second, ahead of older ones; one that had
 * already finished keeps its result.
 *
 * `submit`, `cancel`, `flush`, `reset` and `close` are called between `open` and `close` only.
 */
export interface UsbDevice {
  readonly speed: Speed;
  /** The device descriptor followed by every configuration with all that belongs to it (USB 2.0 §9.5). */
  readonly descriptors: Uint8Array;
  /** bConfigurationValue of the active configuration, 0 when there is none. */
  readonly configuration: number;
  /**
   * Buffers this device likes, from `open` on; what is given back after `close` is welcome too. Without it the sink
   * brings ordinary memory.
   */
  readonly memory?: BufferPool | undefined;
  /**
   * True: OUT data is used up inside `submit`, or looked for in `urb.buffer` anew each time. The sink may then lend
   * the bytes where they arrived, and move them, changing `buffer` and `offset`, once `flush` has returned.
   */
  readonly takesLentData?: boolean;
  /**
   * True: OUT data are handed on unread, so that nothing here depends on what they are. The sink may then lend bytes that
   * somebody else can change meanwhile.
   */
  readonly takesSharedData?: boolean;

  /** Takes the device exclusively. `done` may run inside `open`. A second sink is refused as busy. */
  open(host: UsbHost, loop: Loop, done: (refused?: OpenError) => void): void;
  /**
   * Starts a transfer; never throws. The result comes by `UsbHost.complete`, during `flush` or later.
   * The sink has set `status` to `ok` and `actualLength` and `errorCount` to 0.
   */
  submit(urb: Urb): void;
  /** Asks for an early end; does nothing if the URB is not in flight. */
  cancel(urb: Urb): void;
  /** Ends a batch of submits and cancels: what the device held back goes out, what is done comes back. */
  flush(): void;
  /** Resets the device. Every URB completes as cancelled first; the device is then unconfigured. */
  reset(done: (status: TransferStatus) => void): void;
  /** Gives the device back. Every URB completes as cancelled first; no call follows `done`. */
  close(done: () => void): void;
}
