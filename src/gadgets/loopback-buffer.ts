import type { Urb } from "../usb/urb.ts";

/** Room for one large URB of most programs; a longer one passes through in pieces. */
const CAPACITY = 64 * 1024;

/** A bound for transfers without data, which take no room. */
const MESSAGES_MAX = 1024;

/**
 * Bytes on their way back to the host. Each OUT URB is a message: a read of the same size gets it whole, a
 * smaller one a piece of it, a larger one ends short where the message ends.
 */
export class LoopbackBuffer {
  readonly #bytes = new Uint8Array(CAPACITY);
  #start = 0;
  #used = 0;
  /** Buffered bytes of each message, oldest first. */
  #messages: number[] = [];
  /** The OUT URB that the youngest message comes from, until it has all of it. */
  #writer: Urb | undefined;

  clear(): void {
    this.#start = 0;
    this.#used = 0;
    this.#messages = [];
    this.#writer = undefined;
  }

  /** Takes from an OUT URB what there is room for. True when it has taken everything. */
  write(urb: Urb): boolean {
    if (this.#writer === undefined) {
      if (this.#messages.length === MESSAGES_MAX) return false;
      this.#messages.push(0);
      this.#writer = urb;
    }
    const length = Math.min(urb.length - urb.actualLength, CAPACITY - this.#used);
    const from = urb.offset + urb.actualLength;
    const at = (this.#start + this.#used) % CAPACITY;
    const straight = Math.min(length, CAPACITY - at);
    this.#bytes.set(urb.buffer.subarray(from, from + straight), at);
    this.#bytes.set(urb.buffer.subarray(from + straight, from + length), 0);
    this.#used += length;
    this.#messages[this.#messages.length - 1]! += length;
    urb.actualLength += length;
    if (urb.actualLength < urb.length) return false;
    this.#writer = undefined;
    return true;
  }

  /** An OUT URB has ended early: what it brought is the whole message. */
  abandon(urb: Urb): void {
    if (this.#writer !== urb) return;
    this.#writer = undefined;
    if (urb.actualLength === 0) this.#messages.pop();
  }

  /** Gives an IN URB what is there. True when it is full or its message has ended. */
  read(urb: Urb): boolean {
    if (this.#messages.length === 0) return false;
    const length = Math.min(urb.length - urb.actualLength, this.#messages[0]!);
    const to = urb.offset + urb.actualLength;
    const straight = Math.min(length, CAPACITY - this.#start);
    urb.buffer.set(this.#bytes.subarray(this.#start, this.#start + straight), to);
    urb.buffer.set(this.#bytes.subarray(0, length - straight), to + straight);
    this.#start = (this.#start + length) % CAPACITY;
    this.#used -= length;
    this.#messages[0]! -= length;
    urb.actualLength += length;
    const over = this.#messages[0] === 0 && (this.#writer === undefined || this.#messages.length > 1);
    if (over) this.#messages.shift();
    return over || urb.actualLength === urb.length;
  }
}
