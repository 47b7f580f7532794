import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Attendance } from "./load/crowd.ts";
import { pinned } from "./pinning.ts";

const PROGRAM = fileURLToPath(new URL("load/crowd.js", import.meta.url));
/** Of the clients, those that are connected at any moment: some are cut, and come back. */
const PRESENT = 0.95;
const PATIENCE_MS = 20_000;

/** Clients of a control API in a process of their own, whose work is not that of the server. */
export class Crowd {
  readonly #process: ChildProcess;
  readonly #clients: number;

  private constructor(child: ChildProcess, clients: number) {
    this.#process = child;
    this.#clients = clients;
  }

  /** Resolves when all are there, and those who want an answer have one. */
  static async gather(socketPath: string, clients: number, cpu: number | undefined): Promise<Crowd> {
    const [program, argv] = pinned(cpu, [process.execPath, PROGRAM, socketPath, String(clients)]);
    const child = spawn(program, argv, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    const crowd = new Crowd(child, clients);
    try {
      await crowd.#word();
    } catch (error) {
      await crowd.leave();
      throw error;
    }
    return crowd;
  }

  /** Rejects if the server has sent them away. */
  async mustBeWhole(): Promise<void> {
    this.#process.send("report");
    const { connected } = await this.#word();
    if (connected < this.#clients * PRESENT) {
      throw new Error(`of ${this.#clients} clients only ${connected} were connected`);
    }
  }

  async leave(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    this.#process.kill("SIGKILL");
    await once(this.#process, "exit");
  }

  async #word(): Promise<Attendance> {
    const [attendance] = await Promise.race([
      once(this.#process, "message", { signal: AbortSignal.timeout(PATIENCE_MS) }),
      once(this.#process, "exit").then(() => Promise.reject(new Error("the clients of the API ended early"))),
    ]);
    return attendance as Attendance;
  }
}
