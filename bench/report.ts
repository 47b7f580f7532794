import type { Allocation } from "./allocation.ts";
import { printCase } from "./case.ts";
import { type Machine, printMachine } from "./machine.ts";
import type { Figures } from "./rounds.ts";

/** Everything a run has found out; `--json` prints it as it is. */
export interface Report {
  readonly began: Machine;
  readonly ended: Machine;
  readonly loadClient: "C" | "TypeScript";
  readonly rounds: number;
  readonly measureMs: number;
  readonly figures: readonly Figures[];
  readonly allocations: readonly Allocation[];
}

const COLUMNS = ["", "URB/s", "MB/s", "p50 us", "p99 us", "CPU us/URB", "collections", "of C"];

export function printReport(report: Report): string {
  const lines = [`Began: ${printMachine(report.began)}`, `Ended: ${printMachine(report.ended)}`];
  lines.push(
    `Load client in ${report.loadClient}. Medians of ${report.rounds} interleaved rounds of ${report.measureMs} ms.`,
  );
  for (const pinning of new Set(report.figures.map((figures) => figures.pinning))) {
    lines.push("", pinning, ...table(report.figures.filter((figures) => figures.pinning === pinning)));
  }
  if (report.allocations.length > 0) lines.push("", "memory", ...report.allocations.map(printAllocation));
  return `${lines.join("\n")}\n`;
}

function table(figures: readonly Figures[]): string[] {
  const rows = [COLUMNS];
  let previous = "";
  for (const one of figures) {
    const title = printCase(one.case);
    if (title !== previous) rows.push([title]);
    previous = title;
    rows.push([
      `  ${one.contender}`,
      Math.round(one.urbsPerSecond).toLocaleString("en"),
      one.megabytesPerSecond.toFixed(1),
      one.p50Us.toFixed(1),
      one.p99Us.toFixed(1),
      one.cpuUs?.toFixed(2) ?? "-",
      String(one.collections ?? "-"),
      one.ofReference?.toFixed(2) ?? "-",
    ]);
  }
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[i]! + 2)))
      .join("")
      .trimEnd(),
  );
}

function printAllocation({ contender, case: one, urbs, bytesPerUrb, collections }: Allocation): string {
  return `  ${contender}, ${printCase(one)}: ${bytesPerUrb?.toFixed(1) ?? "too many"} bytes a URB, ${collections} collections in ${urbs} URBs`;
}
