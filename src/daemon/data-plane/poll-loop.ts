import type { PollLinkLoop } from "../../links/poll-link.ts";
import { ReceiveBuffer } from "../../links/receive-buffer.ts";
import { MonotonicClock } from "../../linux/monotonic-clock.ts";
import { type PolledDescriptor, PollSet, type Ready } from "../../linux/poll-set.ts";
import { StreamSockets } from "../../linux/stream-socket.ts";
import { SystemError } from "../../linux/system-error.ts";
import type { Cancellable, Loop } from "../../usb/loop.ts";
import { CallbackQueue } from "./callback-queue.ts";
import { TimerHeap } from "./timer-heap.ts";

/** poll(2) takes an int; a timer that is further away is looked at again. */
const LONGEST_WAIT_MS = 2 ** 31 - 1;
const FOR_EVER = -1;

/**
 * A loop that has its thread for itself: it waits in poll(2) and returns to nobody. One turn waits, tells
 * descriptors, runs timers, then runs what was asked for soon. A turn without news allocates nothing.
 */
export class PollLoop implements Loop, PollLinkLoop {
  readonly sockets: StreamSockets;
  readonly inbox = new ReceiveBuffer();
  readonly #clock: MonotonicClock;
  readonly #descriptors: PollSet;
  readonly #timers = new TimerHeap();
  readonly #soon = new CallbackQueue();
  /** What the clock said last, and whether that was in this turn. */
  #nowMs = 0;
  #hasLooked = false;
  #stopped = false;

  private constructor(sockets: StreamSockets, clock: MonotonicClock, descriptors: PollSet) {
    this.sockets = sockets;
    this.#clock = clock;
    this.#descriptors = descriptors;
  }

  static open(): PollLoop | SystemError {
    const sockets = StreamSockets.open();
    const clock = MonotonicClock.open();
    const descriptors = PollSet.open();
    if (sockets instanceof SystemError) return sockets;
    if (clock instanceof SystemError) return clock;
    if (descriptors instanceof SystemError) return descriptors;
    return new PollLoop(sockets, clock, descriptors);
  }

  now(): number {
    this.#nowMs = this.#clock.now();
    this.#hasLooked = true;
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): Cancellable {
    return this.#timers.add(this.now() + Math.max(delayMs, 0), callback);
  }

  soon(callback: () => void): void {
    this.#soon.add(callback);
  }

  watch(fd: number, direction: "readable" | "writable", callback: () => void): Cancellable {
    const polled = this.#descriptors.add(fd, callback);
    polled.wish(direction === "readable", direction === "writable");
    return { cancel: () => polled.end() };
  }

  attend(fd: number, ready: Ready): PolledDescriptor {
    return this.#descriptors.add(fd, ready);
  }

  /** Runs until stopped. Throws what a callback throws, or if the system refuses to wait. */
  run(): void {
    while (!this.#stopped) this.rest();
  }

  /** One turn, that waits until something is due or comes. */
  rest(): void {
    this.turn(this.#patienceMs());
  }

  /** Runs what was asked for soon and looks at nothing else: no system call. */
  runSoon(): void {
    this.#soon.run();
  }

  /** One turn, that waits so long at most; for ever if negative. */
  turn(patienceMs: number): void {
    const failed = this.#descriptors.wait(patienceMs);
    if (failed !== undefined) throw failed;
    this.#hasLooked = false;
    this.#descriptors.tell();
    if (this.#timers.dueMs !== undefined) this.#timers.run(this.#lateMs());
    this.#soon.run();
  }

  /** Ends `run` at the end of this turn. */
  stop(): void {
    this.#stopped = true;
  }

  #patienceMs(): number {
    if (!this.#soon.isEmpty) return 0;
    const { dueMs } = this.#timers;
    if (dueMs === undefined) return FOR_EVER;
    return Math.min(Math.max(Math.ceil(dueMs - this.#lateMs()), 0), LONGEST_WAIT_MS);
  }

  /** The time, or what it was earlier in this turn: a look at the clock is a system call, and timers may be late. */
  #lateMs(): number {
    return this.#hasLooked ? this.#nowMs : this.now();
  }
}
