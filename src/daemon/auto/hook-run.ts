import { spawn } from "node:child_process";
import type { Readable } from "node:stream";

export interface HookLimits {
  /** After it the program is told to end, and soon after that it is killed. */
  readonly timeoutMs: number;
  readonly killMs: number;
  /** Of what it prints, for the log; the rest is thrown away. */
  readonly lines: number;
  readonly lineCharacters: number;
}

/** What it has printed may still be on its way when it has ended, and what it has started may keep its output. */
const OUTPUT_MS = 500;

export const HOOK_LIMITS: HookLimits = { timeoutMs: 60_000, killMs: 5_000, lines: 64, lineCharacters: 500 };

/** Runs a program to its end, without a shell; resolves with why it failed, for a person. */
export function runHook(
  [program = "", ...args]: readonly string[],
  variables: Readonly<Record<string, string>>,
  told: (line: string) => void,
  limits: HookLimits = HOOK_LIMITS,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      env: { ...process.env, ...variables },
      stdio: ["ignore", "pipe", "pipe"],
      cwd: "/",
      // A group of its own, so that what it starts ends with it.
      detached: true,
    });
    const lines = new PrintedLines(told, limits);
    lines.read(child.stdout);
    lines.read(child.stderr);
    let isTimeout = false;
    let isFinished = false;
    const kill = (signal: NodeJS.Signals): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, signal);
      } catch {
        // It has ended by itself.
      }
    };
    let timer = setTimeout(() => {
      isTimeout = true;
      kill("SIGTERM");
      timer = setTimeout(() => {
        kill("SIGKILL");
        finish("");
      }, limits.killMs);
    }, limits.timeoutMs);
    const finish = (reason: string | undefined): void => {
      if (isFinished) return;
      isFinished = true;
      clearTimeout(timer);
      child.stdout.destroy();
      child.stderr.destroy();
      lines.end();
      resolve(isTimeout ? `it was still running after ${limits.timeoutMs / 1_000} s, and was ended` : reason);
    };
    child.once("error", (error: NodeJS.ErrnoException) => {
      finish(`it could not be started (${error.code ?? error.message})`);
    });
    child.once("exit", (code, signal) => {
      const failure = signal === null ? `it ended with ${code}` : `it was ended by ${signal}`;
      const reason = code === 0 ? undefined : failure;
      const output = setTimeout(() => finish(reason), OUTPUT_MS);
      child.once("close", () => {
        clearTimeout(output);
        finish(reason);
      });
    });
  });
}

/** Lines of both outputs, as many and as long as a log takes. */
class PrintedLines {
  readonly #told: (line: string) => void;
  readonly #limits: HookLimits;
  readonly #begun = new Map<Readable, string>();
  #lines = 0;

  constructor(told: (line: string) => void, limits: HookLimits) {
    this.#told = told;
    this.#limits = limits;
  }

  read(output: Readable): void {
    output.setEncoding("utf8").on("error", () => {});
    output.on("data", (text: string) => {
      const [first = "", ...more] = text.split("\n");
      let line = this.#joined(output, first);
      for (const next of more) {
        this.#tell(line);
        line = next.slice(0, this.#limits.lineCharacters);
      }
      this.#begun.set(output, line);
    });
  }

  end(): void {
    for (const line of this.#begun.values()) if (line !== "") this.#tell(line);
    this.#begun.clear();
  }

  #joined(output: Readable, text: string): string {
    return ((this.#begun.get(output) ?? "") + text).slice(0, this.#limits.lineCharacters);
  }

  #tell(line: string): void {
    this.#lines++;
    const { lines, lineCharacters } = this.#limits;
    if (this.#lines <= lines) this.#told(line.slice(0, lineCharacters).replace(/\p{Cc}/gu, "?"));
    else if (this.#lines === lines + 1) this.#told(`(it printed more than ${lines} lines)`);
  }
}
