import type { Check } from "./check.ts";
import { type Finding, note, ok } from "./finding.ts";
import { ProcessTable } from "./process-table.ts";
import type { SystemRoot } from "./system-root.ts";

/** Whether a program records what passes on the buses of this machine. */
export class Capture implements Check {
  readonly name = "capture";
  readonly #root: SystemRoot;

  constructor(root: SystemRoot) {
    this.#root = root;
  }

  run(): readonly Finding[] {
    const recorders = new ProcessTable(this.#root)
      .holders()
      .filter(({ path }) => /^\/dev\/usbmon\d+$|\/usbmon\//.test(path));
    if (recorders.length === 0)
      return [ok("NO_CAPTURE", "No program that can be seen records USB traffic (usbmon).")];
    const words = recorders.map(({ program, pid, path }) => `${program} (${pid}) has ${path}`);
    return [
      note("CAPTURE_RUNS", {
        what: `USB traffic is being recorded: ${Array.from(new Set(words)).join(", ")}.`,
        why: "usbmon copies every transfer of the bus: it costs speed and processor time, and nothing else.",
        next: [`Stop the recording when it is not needed: kill ${recorders[0]!.pid}`],
      }),
    ];
  }
}
