import { type as systemName } from "node:os";
import { type Command, Option } from "commander";
import {
  type CheckResult,
  type Diagnosis,
  examine,
  type Finding,
  type Severity,
  type Side,
} from "../daemon/doctor/examination.ts";
import { unlessCancelled } from "./cancelled.ts";
import { ExitCode } from "./exit-code.ts";
import { printJson } from "./json.ts";

const HELP = `
It looks at this machine as a guest (kernel, permission, ports, udev, drivers of attached devices), as a host (devices
and who has them) and at the programs of usbferry that run here; with ADDR, at each step of the way to that host. It
changes nothing. Exit code 0: nothing stands in the way; 1: something does. docs/doctor.md explains every code.`;

export function addDoctor(root: Command): void {
  root
    .command("doctor")
    .description("find what stands in the way, hop by hop")
    .argument("[ADDR]", "the host to reach")
    .addOption(
      new Option(
        "--side <SIDE>",
        "look at this machine as a guest, a host or both (with ADDR: as a guest)",
      ).choices(["guest", "host", "both"] satisfies Side[]),
    )
    .option("--json", "one JSON document on standard output")
    .addHelpText("after", HELP)
    .action(run);
}

interface DoctorOptions {
  readonly side?: Side;
  readonly json?: true;
}

async function run(address: string | undefined, { side, json }: DoctorOptions): Promise<void> {
  const diagnosis = await unlessCancelled(
    examine({ address, side: side ?? (address === undefined ? "both" : "guest") }),
  );
  if (json === true) printJson(diagnosis);
  else process.stdout.write(asText(diagnosis, new Paint()));
  process.exitCode = diagnosis.ok ? ExitCode.done : ExitCode.failed;
  // A look-up of a name that was given up would hold the process until the resolver gives up, too.
  process.stdout.write("", () => process.exit());
}

/** Marks that need no colour to be told apart. */
const MARKS: Readonly<Record<Severity, string>> = { ok: "ok", note: "note", problem: "PROBLEM" };
const MARK_WIDTH = 9;

function asText({ checks, ok, version, kernel }: Diagnosis, paint: Paint): string {
  const lines = [`usbferry ${version} on ${systemName()} ${kernel}`];
  let section = "";
  for (const check of checks) {
    if (check.section !== section) lines.push("", check.section);
    section = check.section;
    lines.push(...checkLines(check, paint));
  }
  const problems = checks
    .flatMap(({ findings }) => findings)
    .filter(({ severity }) => severity === "problem");
  const count = `${problems.length} ${problems.length === 1 ? "problem stands" : "problems stand"} in the way.`;
  lines.push("", ok ? "Nothing stands in the way." : count);
  return `${lines.join("\n")}\n`;
}

/** One line for a check that is well; for each other finding what, why, and the next step. */
function checkLines({ name, findings }: CheckResult, paint: Paint): readonly string[] {
  const indent = " ".repeat(2 + MARK_WIDTH);
  return findings.flatMap((finding) => {
    const mark = paint.mark(finding.severity, MARKS[finding.severity].padEnd(MARK_WIDTH));
    const head = `  ${mark}${name}: ${printable(finding.what)}`;
    return [head, ...detailLines(finding).map((line) => `${indent}${line}`)];
  });
}

function detailLines({ why, next = [] }: Finding): readonly string[] {
  const steps = next.map((step, i) => `${i === 0 ? "next: " : "      "}${printable(step)}`);
  return why === undefined ? steps : [`why:  ${printable(why)}`, ...steps];
}

/** Names of programs, files and devices are strangers' words; none of them shall speak to the terminal. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}

const COLOURS: Readonly<Record<Severity, number>> = { ok: 32, note: 33, problem: 31 };

const { NO_COLOR = "" } = process.env;

class Paint {
  readonly #isOn = process.stdout.isTTY && NO_COLOR === "";

  mark(severity: Severity, text: string): string {
    return this.#isOn ? `\u001b[${COLOURS[severity]}m${text}\u001b[0m` : text;
  }
}
