import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Outcome } from "../support/usbferry.ts";
import { RunningUsbferry, usbferry } from "../support/usbferry.ts";

/** Several processes start, beside whatever else this machine does. */
const PATIENCE_MS = 60_000;

type Environment = Readonly<Record<"USBFERRY_CONTROL" | "USBFERRY_STATE", string>>;

/** A host in a process of its own, and the commands that record its devices. */
export class RecordedHost {
  readonly folder: string;
  readonly environment: Environment;
  readonly address: string;

  private constructor(folder: string, environment: Environment, address: string) {
    this.folder = folder;
    this.environment = environment;
    this.address = address;
  }

  /** Ends with the test. */
  static async start(
    context: { after(close: () => Promise<void>): void },
    ...words: readonly string[]
  ): Promise<RecordedHost> {
    const folder = mkdtempSync(join(tmpdir(), "usbferry-capture-"));
    const environment = {
      USBFERRY_CONTROL: join(folder, "serve.sock"),
      USBFERRY_STATE: join(folder, "state"),
    };
    const argv = [
      "serve",
      "--listen",
      "tcp:127.0.0.1:0",
      "--control",
      environment.USBFERRY_CONTROL,
      ...words,
    ];
    const host = new RunningUsbferry(argv, environment);
    context.after(async () => {
      await host.end("SIGKILL");
      rmSync(folder, { recursive: true });
    });
    await host.until("Controlled at", PATIENCE_MS);
    return new RecordedHost(folder, environment, /tcp:127\.0\.0\.1:\d+/.exec(host.stdout)![0]);
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Records already when this resolves. */
  async record(...words: readonly string[]): Promise<RunningUsbferry> {
    const recording = new RunningUsbferry(["capture", ...words], this.environment);
    await recording.until("Ctrl-C ends it.", PATIENCE_MS);
    return recording;
  }

  run(...words: readonly string[]): Outcome {
    return usbferry(words, this.environment);
  }
}
