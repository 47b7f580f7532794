import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The program as it is installed. */
export const MAIN = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

type Environment = Readonly<Record<string, string>>;

/** Tests neither see nor change the state of this machine. */
const state = mkdtempSync(join(tmpdir(), "usbferry-test-state-"));
process.on("exit", () => rmSync(state, { recursive: true, force: true }));
/**
 * Hosts of several tests run at once: none is controlled, and no command asks another's, unless a test says so. Nor do they
 * see what is plugged into this machine.
 */
export const ALONE: Environment = {
  USBFERRY_STATE: state,
  USBFERRY_CONTROL: "off",
  USBFERRY_AGENT: "/nonexistent/agent.sock",
  USBFERRY_ROOT: "/nonexistent",
};

/** Runs a command to its end. */
export function usbferry(args: readonly string[], environment: Environment = {}): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: "utf8",
    env: { ...process.env, ...ALONE, ...environment },
    timeout: 20_000,
  });
  return { code: status, stdout, stderr };
}

/** A command that goes on until it is told to end. */
export class RunningUsbferry {
  readonly process: ChildProcess;
  stdout = "";
  stderr = "";
  readonly #closed: Promise<unknown>;

  constructor(args: readonly string[], environment: Environment = {}) {
    this.process = spawn(process.execPath, [MAIN, ...args], {
      env: { ...process.env, ...ALONE, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#closed = once(this.process, "close");
    this.process.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    this.process.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
  }

  /** Waits until its output contains the text. */
  async until(text: string, patienceMs = 10_000): Promise<void> {
    const deadline = performance.now() + patienceMs;
    while (!this.stdout.includes(text) && !this.stderr.includes(text)) {
      if (performance.now() > deadline || this.process.exitCode !== null) {
        this.process.kill("SIGKILL");
        throw new Error(`"${text}" did not appear in:\n${this.stdout}${this.stderr}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async end(signal: NodeJS.Signals): Promise<Outcome> {
    this.process.kill(signal);
    await this.#closed;
    return { code: this.process.exitCode, stdout: this.stdout, stderr: this.stderr };
  }
}
