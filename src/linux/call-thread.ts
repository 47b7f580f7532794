import { Worker } from "node:worker_threads";
import { CALL_WORDS, CALLS_MAX, type CallList } from "./call-list.ts";
import { EventDescriptor } from "./event-descriptor.ts";
import { SystemError } from "./system-error.ts";

/** Where the thread looks, in 32-bit words. */
export const CallWord = { state: 0, count: 1, calls: 2 } as const;
export const CallState = { idle: 0, go: 1, end: 2 } as const;

/** What the thread is started with. */
export interface CallThreadStart {
  readonly block: SharedArrayBuffer;
  /** To signal when the calls are done. */
  readonly done: number;
}

/** Runs `callback` while the descriptor can be read, until cancelled. */
export type WatchReadable = (fd: number, callback: () => void) => { cancel(): void };

const BODY = new URL("./call-thread-body.js", import.meta.url);

/** Started once, and out of work. A thread costs 10 MB and tens of milliseconds. */
const idle: CallThread[] = [];
const IDLE_MAX = 1;

/**
 * Makes system calls that may take long in a thread of their own, and then runs `done` from the caller's loop. Each list
 * that is under way has its own thread: one that hangs holds nobody up.
 */
export function callInThread(
  calls: CallList,
  watch: WatchReadable,
  done: () => void,
): SystemError | undefined {
  const thread = idle.pop() ?? CallThread.start();
  if (thread instanceof SystemError) return thread;
  thread.run(calls, watch, () => {
    if (idle.length < IDLE_MAX) idle.push(thread);
    else thread.end();
    done();
  });
  return undefined;
}

class CallThread {
  readonly #words: Int32Array;
  readonly #done: EventDescriptor;

  private constructor(done: EventDescriptor) {
    this.#done = done;
    const block = new SharedArrayBuffer((CallWord.calls + CALLS_MAX * CALL_WORDS) * 4);
    this.#words = new Int32Array(block);
    const start: CallThreadStart = { block, done: done.fd };
    const worker = new Worker(BODY, { workerData: start, name: "host calls", execArgv: [] });
    // Ours: it ends the process with its stack.
    worker.on("error", (error) => {
      throw error;
    });
    worker.once("exit", () => done.close());
    // A process that has nothing else to do may end.
    worker.unref();
  }

  static start(): CallThread | SystemError {
    const done = EventDescriptor.open();
    return done instanceof SystemError ? done : new CallThread(done);
  }

  run(calls: CallList, watch: WatchReadable, done: () => void): void {
    calls.copyTo(this.#words, CallWord.calls);
    this.#words[CallWord.count] = calls.length;
    const watching = watch(this.#done.fd, () => {
      this.#done.clear();
      watching.cancel();
      calls.takeResults(this.#words, CallWord.calls);
      done();
    });
    this.#tell(CallState.go);
  }

  end(): void {
    this.#tell(CallState.end);
  }

  #tell(state: number): void {
    Atomics.store(this.#words, CallWord.state, state);
    Atomics.notify(this.#words, CallWord.state);
  }
}
