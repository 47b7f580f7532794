import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { RunningUsbferry } from "../support/usbferry.ts";
import type { Place } from "./api-client.ts";

type Environment = Readonly<
  Record<"USBFERRY_CONTROL" | "USBFERRY_AGENT" | "USBFERRY_TOKEN" | "USBFERRY_STATE", string>
>;

/** A host or an agent in a process of its own, with its control API in a folder of the test. */
export class ApiDaemon {
  readonly running: RunningUsbferry;
  readonly place: { readonly socketPath: string };
  readonly environment: Environment;
  #tcp: { readonly host: string; readonly port: number } | undefined;

  private constructor(running: RunningUsbferry, socketPath: string, environment: Environment) {
    this.running = running;
    this.place = { socketPath };
    this.environment = environment;
  }

  /** Ends with the test, whatever becomes of it. */
  static async start(
    context: TestContext,
    role: "serve" | "agent",
    ...args: readonly string[]
  ): Promise<ApiDaemon> {
    const folder = mkdtempSync(join(tmpdir(), "usbferry-api-"));
    const socketPath = join(folder, `${role}.sock`);
    const environment = {
      USBFERRY_CONTROL: socketPath,
      USBFERRY_AGENT: join(folder, "agent.sock"),
      USBFERRY_TOKEN: join(folder, `${role}.token`),
      USBFERRY_STATE: join(folder, "state"),
    };
    const argv =
      role === "serve"
        ? ["serve", "--listen", "tcp:127.0.0.1:0", "--control", socketPath, "--control", "tcp:0", ...args]
        : ["agent", "--control", "tcp:0", ...args];
    const daemon = new ApiDaemon(new RunningUsbferry(argv, environment), socketPath, environment);
    context.after(() => {
      daemon.running.process.kill("SIGKILL");
      rmSync(folder, { recursive: true });
    });
    await daemon.running.until("Controlled at");
    await daemon.running.until("token");
    const port = /tcp:127\.0\.0\.1:(\d+)\. The token/.exec(daemon.running.stdout)![1];
    daemon.#tcp = { host: "127.0.0.1", port: Number(port) };
    return daemon;
  }

  /** The same API over TCP. */
  get tcp(): Place & { readonly port: number } {
    return this.#tcp!;
  }

  get token(): string {
    return readFileSync(this.environment.USBFERRY_TOKEN, "utf8").trim();
  }

  /** Where USB/IP is spoken. */
  get usbip(): string {
    return /on (tcp:127\.0\.0\.1:\d+)\./.exec(this.running.stdout)![1]!;
  }

  /** Resident memory in bytes. */
  get memory(): number {
    const status = readFileSync(`/proc/${this.running.process.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) * 1024;
  }

  /** Ends it; it must have run on to here, and told of no defect. */
  async stop(): Promise<void> {
    const { exitCode } = this.running.process;
    const { code, stderr } = await this.running.end("SIGTERM");
    if (exitCode !== null || code !== 0 || /DEFECT|^\s+at |Warning/m.test(stderr)) {
      throw new Error(`the daemon ended with ${code} and said:\n${stderr}`);
    }
  }
}
