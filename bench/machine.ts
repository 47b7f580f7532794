import { readFileSync } from "node:fs";
import { arch, cpus, loadavg, release, type } from "node:os";

/** Where figures come from, and what else ran there. Figures without it say nothing. */
export interface Machine {
  readonly processor: string;
  readonly processors: number;
  readonly kernel: string;
  readonly node: string;
  /** Load averages of 1 and 5 minutes. */
  readonly load: readonly [number, number];
  /** Share of the processors that the hypervisor gave to others since the start of the machine. */
  readonly stolen: number | undefined;
}

export function describeMachine(): Machine {
  const processors = cpus();
  const [one, five] = loadavg();
  return {
    processor: processors[0]?.model ?? "unknown",
    processors: processors.length,
    kernel: `${type()} ${release()} ${arch()}`,
    node: process.version,
    load: [one!, five!],
    stolen: stolenShare(),
  };
}

export function printMachine({ processor, processors, kernel, node, load, stolen }: Machine): string {
  const share = stolen === undefined ? "" : `, ${(stolen * 100).toFixed(1)} % stolen`;
  const [one, five] = load.map((value) => value.toFixed(2));
  return `${processors} x ${processor}, ${kernel}, Node ${node}; load ${one} (1 min) ${five} (5 min)${share}`;
}

/** First line of /proc/stat (proc(5)): user nice system idle iowait irq softirq steal. */
function stolenShare(): number | undefined {
  try {
    const times = readFileSync("/proc/stat", "utf8")
      .split("\n", 1)[0]!
      .trim()
      .split(/\s+/)
      .slice(1, 9)
      .map(Number);
    return times[7]! / times.reduce((sum, time) => sum + time, 0);
  } catch {
    return undefined;
  }
}
