import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { RunningUsbferry } from "../support/usbferry.ts";

/** A host with a dashboard, in a process of its own; it ends with the test. */
export class ServedDashboard {
  readonly running: RunningUsbferry;
  readonly #folder: string;

  private constructor(running: RunningUsbferry, folder: string) {
    this.running = running;
    this.#folder = folder;
  }

  /** `root` is where it finds devices of this machine. */
  static async start(
    context: TestContext,
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<ServedDashboard> {
    const folder = mkdtempSync(join(tmpdir(), "usbferry-dashboard-"));
    const running = new RunningUsbferry(
      ["serve", "--listen", "tcp:127.0.0.1:0", "--dashboard", "tcp:0", ...args],
      {
        USBFERRY_STATE: join(folder, "state"),
        USBFERRY_TOKEN: join(folder, "token"),
        HOME: folder,
        ...environment,
      },
    );
    context.after(() => {
      running.process.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    });
    await running.until("Dashboard: ");
    return new ServedDashboard(running, folder);
  }

  get folder(): string {
    return this.#folder;
  }

  get url(): string {
    return /Dashboard: (http:\/\/127\.0\.0\.1:\d+\/) /.exec(this.running.stdout)![1]!;
  }

  get token(): string {
    return readFileSync(join(this.#folder, "token"), "utf8").trim();
  }

  /** What lets one in. */
  get link(): string {
    return `${this.url}#token=${this.token}`;
  }

  /** Where USB/IP is spoken. */
  get port(): number {
    return Number(/on tcp:127\.0\.0\.1:(\d+)/.exec(this.running.stdout)![1]);
  }
}
