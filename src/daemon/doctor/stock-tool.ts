import { execFile } from "node:child_process";
import type { Check } from "./check.ts";
import { type Finding, note, ok } from "./finding.ts";

const ANSWER_MS = 2_000;

interface Answer {
  readonly isThere: boolean;
  readonly text: string;
}

/** The `usbip` program of Linux: usbferry needs none, but people compare, and a broken one misleads. */
export class StockTool implements Check {
  readonly name = "stock usbip tool";
  readonly #program: string;

  constructor(program = "usbip") {
    this.#program = program;
  }

  async run(): Promise<readonly Finding[]> {
    const { isThere, text } = await this.#version();
    if (!isThere)
      return [ok("STOCK_TOOL_ABSENT", "The stock usbip tool is not installed; usbferry does without.")];
    const version = /usbip-utils (\d+(?:\.\d+)*)/.exec(text)?.[1];
    if (version === undefined) return [broken(text)];
    if (isOld(version)) return [old(version)];
    return [
      ok(
        "STOCK_TOOL_FITS",
        `The stock usbip tool (${version}) speaks the same protocol; usbferry does without.`,
      ),
    ];
  }

  #version(): Promise<Answer> {
    return new Promise((resolve) => {
      const options = { timeout: ANSWER_MS, killSignal: "SIGKILL", maxBuffer: 64 << 10 } as const;
      const child = execFile(this.#program, ["version"], options, (error, stdout, stderr) => {
        resolve({ isThere: error?.code !== "ENOENT", text: `${stdout}${stderr}`.trim() });
      });
      child.stdin?.end();
    });
  }
}

/** Protocol 0x111 came with version 1.1.1 of the tools. */
function isOld(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  return major * 10_000 + minor * 100 + patch < 10_101;
}

function old(version: string): Finding {
  return note("STOCK_TOOL_OLD", {
    what: `The stock usbip tool is of version ${version}.`,
    why: "Tools before 1.1.1 speak another version of the protocol (0x106), which hosts of today refuse.",
    next: ["Use `usbferry attach` in its place, or install usbip of version 2.0."],
  });
}

function broken(text: string): Finding {
  const line = text.split("\n")[0]!.slice(0, 200);
  return note("STOCK_TOOL_BROKEN", {
    what: "There is a usbip program, and it does not work.",
    why: line === "" ? "It says nothing." : `It says: ${line}`,
    next: [
      "usbferry does without it: usbferry attach ADDR DEV",
      "On Ubuntu it is a script that looks for the tools of this very kernel: sudo apt install linux-tools-generic",
    ],
  });
}
