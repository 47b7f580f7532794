import { setTimeout as sleep } from "node:timers/promises";
import { type DescriptorWatch, watch } from "../linux/descriptor-watch.ts";
import { SystemError } from "../linux/system-error.ts";
import { EVENTS_LOST, UeventSocket } from "../linux/uevent-socket.ts";

/** Where the kernel tells nothing, as in some containers, one has to look again and again. */
const LOOK_MS = 20;
/** And where it does, in case something it does not tell of has changed. */
const LOOK_ANYWAY_MS = 250;

/** Tells when it is worth looking at sysfs again, by what the kernel says of its devices. Closed by whoever opened it. */
export class KernelNews {
  readonly #socket: UeventSocket | undefined;
  readonly #watching: DescriptorWatch | undefined;
  #isNews = false;
  #wake = (): void => {};

  private constructor(socket: UeventSocket | undefined) {
    this.#socket = socket;
    const watching = socket && watch(socket.fd, "readable", () => this.#hear(socket));
    this.#watching = watching instanceof SystemError ? undefined : watching;
  }

  /** Nothing that happens from now on is missed. */
  static open(): KernelNews {
    const socket = UeventSocket.open();
    return new KernelNews(socket instanceof SystemError ? undefined : socket);
  }

  /** Resolves when something has happened since the last call, or might have. Rejects with what `signal` was aborted. */
  async next(signal: AbortSignal): Promise<void> {
    if (!this.#isNews) {
      const done = new AbortController();
      this.#wake = () => done.abort();
      const longestMs = this.#watching === undefined ? LOOK_MS : LOOK_ANYWAY_MS;
      await sleep(longestMs, undefined, { signal: AbortSignal.any([signal, done.signal]) }).catch(() => {});
    }
    signal.throwIfAborted();
    this.#isNews = false;
  }

  close(): void {
    this.#watching?.cancel();
    this.#socket?.close();
  }

  #hear(socket: UeventSocket): void {
    let isNews = false;
    for (;;) {
      const event = socket.hear();
      if (event === EVENTS_LOST) isNews = true;
      else if (typeof event === "string" || event instanceof SystemError) break;
      // Looking costs time that the device needs: what leaves, and what is not USB, is nobody's news here.
      else isNews ||= event.subsystem === "usb" && event.action !== "remove" && event.action !== "unbind";
    }
    if (!isNews) return;
    this.#isNews = true;
    this.#wake();
  }
}
