import { libc } from "../../linux/libc.ts";
import { SystemError } from "../../linux/system-error.ts";
import type { Libusb } from "./library.ts";
import { pollDescriptors } from "./poll-descriptors.ts";

/** struct pollfd: the descriptor, and what was found in the upper half of the second word. */
const POLL_WORDS = 2;
const REVENTS = 16;

/** The device node that libusb has open, on Linux; elsewhere there is none, and nothing is known of it. */
export class DeviceNode {
  readonly #libusb: Libusb;
  readonly #context: number;
  readonly #fd: number | undefined;

  constructor(library: Libusb, context: number) {
    this.#libusb = library;
    this.#context = context;
    this.#fd = this.#find();
  }

  /** libusb forgets the node of a device that is gone. */
  get isForgotten(): boolean {
    return this.#fd !== undefined && this.#find() !== this.#fd;
  }

  /** The kernel has begun to take the device away: it takes no lock to ask. */
  get isHungUp(): boolean {
    const c = libc();
    if (this.#fd === undefined || c instanceof SystemError) return false;
    const poll = new Int32Array(POLL_WORDS);
    poll[0] = this.#fd;
    c.poll(c.address(poll.buffer), 1, 0);
    return poll[1]! >> REVENTS !== 0;
  }

  /** Of all descriptors it alone is waited for to be writable. */
  #find(): number | undefined {
    return pollDescriptors(this.#libusb, this.#context)?.find(({ isWritable }) => isWritable)?.fd;
  }
}
