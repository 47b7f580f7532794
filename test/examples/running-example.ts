import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A program of examples/ that shares a device on a port of the system's choice. */
export class RunningExample {
  readonly address: string;
  /** Lines on standard error so far. */
  readonly errors: string[];
  readonly #kill: () => Promise<void>;

  private constructor(address: string, errors: string[], kill: () => Promise<void>) {
    this.address = address;
    this.errors = errors;
    this.#kill = kill;
  }

  static async start(name: string): Promise<RunningExample> {
    const program = fileURLToPath(new URL(`../../examples/${name}.js`, import.meta.url));
    const running = spawn(process.execPath, [program, "tcp:127.0.0.1:0"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const exit = once(running, "exit");
    const errors: string[] = [];
    createInterface(running.stderr).on("line", (line) => errors.push(line));
    for await (const line of createInterface(running.stdout)) {
      const address = /tcp:127\.0\.0\.1:\d+/.exec(line)?.[0];
      if (address === undefined) continue;
      return new RunningExample(address, errors, async () => {
        running.kill("SIGKILL");
        await exit;
      });
    }
    throw new Error(`examples/${name}.ts ended before it shared anything:\n${errors.join("\n")}`);
  }

  get port(): number {
    return Number(this.address.split(":").at(-1));
  }

  kill(): Promise<void> {
    return this.#kill();
  }
}
