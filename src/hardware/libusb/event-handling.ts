import type { Cancellable, Loop } from "../../usb/loop.ts";

/** Who lets libusb work for one open device, so that transfers end. */
export interface EventHandling {
  /** Has libusb do what is to be done; false as long as another thread does it. */
  handle(): boolean;
  /** Runs `look` when transfers may have ended, until cancelled: then a call about the device is under way. */
  watch(loop: Loop, look: () => void): Cancellable;
  /** Nobody is inside of libusb any more when `done` runs. */
  stop(done: () => void): void;
}
