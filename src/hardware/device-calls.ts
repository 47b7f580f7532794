import type { OpenError } from "../usb/device.ts";
import type { Loop } from "../usb/loop.ts";
import type { TransferStatus } from "../usb/urb.ts";
import type { ClaimedInterface } from "./driver-claim.ts";

/**
 * Calls of the operating system about one device that may take seconds, collected and then made in order, each whatever became
 * of the one before. What adds a call answers its place, by which its result is found.
 */
export interface DeviceCalls {
  /** Forgets them and their results. */
  clear(): void;
  /** Has them made, and runs `done` from the loop; false if they are over at once, and `done` will not run. */
  make(loop: Loop, done: () => void): boolean;

  worked(place: number): boolean;
  /** How the call has ended. */
  status(place: number): TransferStatus;
  /** Why the call has failed, and what to do; nothing if it has not. `call` names it. */
  refusal(place: number, call: string): OpenError | undefined;

  /** To be followed by `opened` before anything else is called. */
  open(): number;
  opened(place: number): OpenError | undefined;
  close(): void;
  /** Asks who has these interfaces, and what the system can do with the device. */
  look(interfaceNumbers: readonly number[]): void;
  /** What `look` has found: those that a driver has. */
  looked(): readonly ClaimedInterface[];
  /** Takes the interface from its driver, unless that is another program. */
  claim(interfaceNumber: number): number;
  release(interfaceNumber: number): number;
  /** Lets the system look for a driver. */
  connect(interfaceNumber: number): number;
  /** A control read of the device itself; `answer` has its bytes. */
  controlIn(setup: Uint8Array, length: number, timeoutMs: number): number;
  answer(place: number): Uint8Array;
  /** The configuration and these claimed interfaces are then as before, alternate settings 0. */
  reset(claimed: readonly number[]): number;
  /** No interface may be claimed. */
  setConfiguration(value: number): number;
  setInterface(interfaceNumber: number, alternate: number): number;
  clearHalt(endpoint: number): number;
}
