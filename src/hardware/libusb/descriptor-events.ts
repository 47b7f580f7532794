import type { Cancellable, Loop } from "../../usb/loop.ts";
import type { EventHandling } from "./event-handling.ts";
import type { Libusb } from "./library.ts";
import { pollDescriptors, watchDescriptors } from "./poll-descriptors.ts";

/** struct timeval, of all systems: no time. */
const AT_ONCE = new Int32Array(4);

/** libusb works on the thread of the loop, when that says that one of its descriptors is ready. */
export class DescriptorEvents implements EventHandling {
  readonly #libusb: Libusb;
  readonly #context: number;
  #isStopped = false;

  constructor(library: Libusb, context: number) {
    this.#libusb = library;
    this.#context = context;
  }

  handle(): boolean {
    if (this.#isStopped) return false;
    this.#libusb.handleEvents(this.#context, AT_ONCE, null);
    return true;
  }

  watch(loop: Loop, look: () => void): Cancellable {
    return watchDescriptors(pollDescriptors(this.#libusb, this.#context) ?? [], loop, look);
  }

  stop(done: () => void): void {
    this.#isStopped = true;
    done();
  }
}
