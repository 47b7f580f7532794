import { PerformanceObserver } from "node:perf_hooks";

/** What a measured Node process tells about its memory. */
export interface MemoryReport {
  /** Collections since the last report. */
  readonly collections: number;
  /** Bytes on the heap and behind its buffers, as they are at this moment. */
  readonly used: number;
}

/** Tells the port, then answers every message of the parent process with a report. */
export function report(port: number): void {
  let collections = 0;
  const count = (entries: readonly unknown[]) => {
    collections += entries.length;
  };
  const observer = new PerformanceObserver((list) => count(list.getEntries()));
  observer.observe({ entryTypes: ["gc"] });
  process.on("message", () => {
    count(observer.takeRecords());
    const { heapUsed, external } = process.memoryUsage();
    const answer: MemoryReport = { collections, used: heapUsed + external };
    collections = 0;
    process.send!(answer);
  });
  process.on("disconnect", () => process.exit());
  process.send!({ port });
}
