import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ALONE, MAIN } from "../support/usbferry.ts";

/** A line of the log of a host. */
export interface HostLine {
  readonly code: string;
  readonly busid?: string;
  readonly peer?: string;
  readonly msg: string;
  /** On the runner's clock. */
  readonly atMs: number;
}

/** `usbferry serve` on this machine, as a process of its own, with any link that a rule of its own allows. */
export class LinkHost {
  readonly lines: HostLine[] = [];
  readonly #kill: (signal: NodeJS.Signals) => boolean;
  readonly #exit: Promise<unknown>;

  private constructor(kill: (signal: NodeJS.Signals) => boolean, exit: Promise<unknown>) {
    this.#kill = kill;
    this.#exit = exit;
  }

  /** Resolves when it listens, or dials. */
  static async start(gadgets: readonly string[], ...options: readonly string[]): Promise<LinkHost> {
    const folder = mkdtempSync(join(tmpdir(), "usbferry-host-"));
    const config = join(folder, "config.yaml");
    writeFileSync(config, "rules: [allow link=fc-vsock, allow link=ring, allow client=tls:*]\n");
    const own = [
      "--config",
      config,
      "--control",
      "off",
      ...gadgets.flatMap((gadget) => ["--gadget", gadget]),
    ];
    const env = { ...process.env, ...ALONE };
    const serving = spawn(process.execPath, [MAIN, "serve", ...own, ...options], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const exit = once(serving, "exit").then(() => rmSync(folder, { recursive: true, force: true }));
    const host = new LinkHost((signal) => serving.kill(signal), exit);
    createInterface(serving.stderr).on("line", (line) => host.#hear(line));
    const isReady = new Promise<void>((resolve, reject) => {
      createInterface(serving.stdout).once("line", () => resolve());
      void exit.then(() => reject(new Error(`usbferry serve ended: ${host.lines.at(-1)?.msg}`)));
    });
    await isReady;
    return host;
  }

  /** When a line with this code came, of this device if one is named. */
  when(code: string, busid?: string): number | undefined {
    return this.lines.find((line) => line.code === code && (busid === undefined || line.busid === busid))
      ?.atMs;
  }

  signal(signal: NodeJS.Signals): void {
    this.#kill(signal);
  }

  /** May be repeated. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    this.#kill(signal);
    await this.#exit;
  }

  #hear(line: string): void {
    const atMs = performance.now();
    if (line.startsWith("{")) this.lines.push({ ...(JSON.parse(line) as HostLine), atMs });
    else this.lines.push({ code: "SAID", msg: line, atMs });
  }
}
