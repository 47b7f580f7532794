import { GCProfiler, setFlagsFromString } from "node:v8";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { EventDescriptor } from "../../linux/event-descriptor.ts";
import { allowProcessors } from "../../linux/processor.ts";
import { SystemError } from "../../linux/system-error.ts";
import { UrbTrace } from "../../usb/urb-trace.ts";
import { CarriedSessions } from "./carried-sessions.ts";
import type { ThreadMemory, ThreadStart, ToMain, ToThread } from "./plane-message.ts";
import { PollLoop } from "./poll-loop.ts";
import { buffersOf } from "./travelling-store.ts";

/**
 * The worker of the data plane. It never returns to the event loop: messages are fetched when the event
 * descriptor says so, and nothing here may await. What is thrown ends the process.
 */

// A URB goes through some 25 small functions. The compiler inlines until it has 920 bytes of code together and calls the
// rest; with more room a URB takes a fifth less of this thread's time. Read when a function is compiled.
setFlagsFromString("--max-inlined-bytecode-size-cumulative=5000");

const { wake, limits, trace, processors } = workerData as ThreadStart;
if (processors !== undefined) unlessFailed(allowProcessors(processors));
const port = parentPort!;
const loop = unlessFailed(PollLoop.open());
const event = unlessFailed(EventDescriptor.of(wake));
const sessions = new CarriedSessions(
  loop,
  limits,
  tell,
  trace === undefined ? undefined : new UrbTrace(trace),
);
let collections: GCProfiler | undefined;

loop.watch(wake, "readable", () => {
  event.clear();
  for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
    obey(next.message as ToThread);
  }
});
loop.run();

function obey(message: ToThread): void {
  switch (message.what) {
    case "memory":
      tell({ what: "memory", ...memory() });
      break;
    case "alive":
      tell({ what: "alive" });
      break;
    case "end":
      loop.stop();
      break;
    default:
      sessions.obey(message);
  }
}

function tell(message: ToMain): void {
  port.postMessage(message, message.what === "lent" ? buffersOf(message.pages) : []);
}

/** The profiler is called by the collector itself; a PerformanceObserver would wait for the event loop. */
function memory(): ThreadMemory {
  const count = collections?.stop().statistics.length ?? 0;
  const { heapUsed, external } = process.memoryUsage();
  collections = new GCProfiler();
  collections.start();
  return { collections: count, used: heapUsed + external };
}

function unlessFailed<T>(result: T | SystemError): T {
  if (result instanceof SystemError) throw result;
  return result;
}
