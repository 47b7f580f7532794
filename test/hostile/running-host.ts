import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { HostLimits } from "../../src/daemon/host-limits.ts";

/** A line of the host's log. */
export interface Line {
  readonly code: string;
  readonly peer?: string;
  readonly count?: number;
  readonly message: string;
}

type Message =
  | Line
  | { readonly listening: string }
  | { readonly rss: number; readonly arrayBuffers: number };

const HOST_PROCESS = fileURLToPath(new URL("host-process.js", import.meta.url));
const SAMPLE_MS = 100;

/** The real host in a child process, with its log and a watch on its memory. */
export class RunningHost {
  readonly port: number;
  readonly lines: Line[] = [];
  /** Most that was seen, in bytes. */
  readonly peak = { rss: 0, arrayBuffers: 0 };
  readonly #process: ChildProcess;
  readonly #sampling: NodeJS.Timeout;

  static async start(
    limits: Partial<HostLimits>,
    gadgets: number,
    place: "main" | "worker",
  ): Promise<RunningHost> {
    const child = fork(HOST_PROCESS, [JSON.stringify([limits, gadgets, place])]);
    const [{ listening }] = (await once(child, "message")) as [{ listening: string }];
    return new RunningHost(child, Number(listening.split(":").at(-1)));
  }

  private constructor(child: ChildProcess, port: number) {
    this.#process = child;
    this.port = port;
    child.on("message", (message: Message) => {
      if ("code" in message) this.lines.push(message);
      else if ("rss" in message) {
        this.peak.rss = Math.max(this.peak.rss, message.rss);
        this.peak.arrayBuffers = Math.max(this.peak.arrayBuffers, message.arrayBuffers);
      }
    });
    this.#sampling = setInterval(() => child.connected && child.send("memory"), SAMPLE_MS);
  }

  /** Whether the process lives. */
  get isAlive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** What the log tells of the end of a connection. */
  endsOf(peer: string): readonly Line[] {
    return this.lines.filter((line) => line.peer === peer && line.code !== "IMPORTED");
  }

  async stop(): Promise<void> {
    clearInterval(this.#sampling);
    if (!this.isAlive) return;
    const exited = once(this.#process, "exit");
    this.#process.disconnect();
    await exited;
  }
}
