import { GCProfiler } from "node:v8";

/** What a measured thread of Node tells about its memory. */
export interface MemoryReport {
  /** Collections since the last report. */
  readonly collections: number;
  /** Bytes on the heap and behind its buffers, as they are at this moment. */
  readonly used: number;
}

/**
 * Tells the port, then answers every message of the parent process with a report: of this thread, or of the one that
 * does the work.
 *
 * The profiler is called by the collector itself, in the middle of whatever runs: a thread that never returns to its
 * event loop counts as truly as any other. A PerformanceObserver hears of a collection only in the event loop.
 */
export function report(
  port: number,
  measure: () => MemoryReport | Promise<MemoryReport> = measureThread(),
): void {
  process.on("message", () => void Promise.resolve(measure()).then((answer) => process.send!(answer)));
  process.on("disconnect", () => process.exit());
  process.send!({ port });
}

function measureThread(): () => MemoryReport {
  let profiler = new GCProfiler();
  profiler.start();
  return () => {
    const collections = profiler.stop()?.statistics.length ?? 0;
    const { heapUsed, external } = process.memoryUsage();
    profiler = new GCProfiler();
    profiler.start();
    return { collections, used: heapUsed + external };
  };
}
