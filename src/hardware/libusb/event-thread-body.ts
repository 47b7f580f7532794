import { parentPort, workerData } from "node:worker_threads";
import { libusb } from "./library.ts";
import { EventState, type EventThreadStart } from "./thread-events.ts";

/** The other side of `ThreadEvents`: it waits to be told to go, or inside of libusb. */

/** struct timeval: a minute, on systems whose `long` has 32 bits and on the others. */
const A_MINUTE = Int32Array.of(60, 0, 0, 0);

const { state: shared, context } = workerData as EventThreadStart;
const state = new Int32Array(shared);
const port = parentPort!;
const library = libusb();
if (library instanceof Error) throw library;

for (;;) {
  Atomics.wait(state, 0, EventState.parked);
  if (Atomics.load(state, 0) === EventState.end) break;
  library.handleEvents(context, A_MINUTE, null);
  if (Atomics.compareExchange(state, 0, EventState.go, EventState.parked) === EventState.end) break;
  port.postMessage(0);
}
