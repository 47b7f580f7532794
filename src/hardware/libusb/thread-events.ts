import { Worker } from "node:worker_threads";
import type { Cancellable, Loop } from "../../usb/loop.ts";
import type { EventHandling } from "./event-handling.ts";
import type { Libusb } from "./library.ts";

/** What the thread is doing: one word that both sides see. */
export const EventState = { parked: 0, go: 1, end: 2 } as const;

/** What the thread is started with. */
export interface EventThreadStart {
  readonly state: SharedArrayBuffer;
  readonly context: number;
}

/** struct timeval, of all systems: no time. */
const AT_ONCE = new Int32Array(4);

const BODY = new URL("./event-thread-body.js", import.meta.url);

/**
 * libusb works in a thread, which waits inside of it: for systems whose event loop cannot wait for libusb. Transfers are looked at
 * only while the thread is parked, so that nobody looks at one that libusb is still writing.
 */
export class ThreadEvents implements EventHandling {
  readonly #libusb: Libusb;
  readonly #context: number;
  readonly #state = new Int32Array(new SharedArrayBuffer(4));
  readonly #worker: Worker;
  #look: (() => void) | undefined;
  #isStopped = false;

  constructor(library: Libusb, context: number) {
    this.#libusb = library;
    this.#context = context;
    const start: EventThreadStart = { state: this.#state.buffer, context };
    this.#worker = new Worker(BODY, { workerData: start, name: "libusb", execArgv: [] });
    // Ours: it ends the process with its stack.
    this.#worker.on("error", (error) => {
      throw error;
    });
    this.#worker.on("message", () => this.#look?.());
    // A process that has nothing else to do may end.
    this.#worker.unref();
  }

  handle(): boolean {
    if (this.#isStopped || !this.#isParked) return false;
    // While nobody watches the thread stays where it is: of a device that is gone, the rest comes in this way.
    this.#libusb.handleEvents(this.#context, AT_ONCE, null);
    return true;
  }

  watch(loop: Loop, look: () => void): Cancellable {
    const lookAndGo = (): void => {
      if (this.#look !== lookAndGo) return;
      look();
      // Looking may have begun a call about the device: the thread goes on when that is over.
      if (this.#look === lookAndGo) this.#tell(EventState.go);
    };
    this.#look = lookAndGo;
    // What was told while nobody watched.
    if (this.#isParked) loop.soon(lookAndGo);
    return {
      cancel: () => {
        if (this.#look === lookAndGo) this.#look = undefined;
      },
    };
  }

  stop(done: () => void): void {
    this.#isStopped = true;
    this.#look = undefined;
    this.#worker.ref();
    this.#worker.once("exit", done);
    this.#tell(EventState.end);
    this.#libusb.interruptEventHandler(this.#context);
  }

  get #isParked(): boolean {
    return Atomics.load(this.#state, 0) === EventState.parked;
  }

  #tell(state: number): void {
    if (Atomics.load(this.#state, 0) === EventState.end) return;
    Atomics.store(this.#state, 0, state);
    Atomics.notify(this.#state, 0);
  }
}
