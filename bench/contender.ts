import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Case } from "./case.ts";
import type { MemoryReport } from "./contenders/collections.ts";
import { pinned } from "./pinning.ts";

/** A kind of server to be measured. */
export interface Contender {
  readonly name: string;
  readonly argv: readonly string[];
  /** Others compare themselves with this one. */
  readonly isReference: boolean;
  readonly runs: (one: Case) => boolean;
}

const speaksUsbip = (one: Case): boolean => one.direction !== "echo";

export const LIBUV: Contender = {
  name: "usbferry",
  argv: [process.execPath, script("contenders/host.js")],
  isReference: false,
  runs: speaksUsbip,
};

export const WORKER: Contender = {
  name: "usbferry worker",
  argv: [process.execPath, script("contenders/worker-host.js")],
  isReference: false,
  runs: speaksUsbip,
};

/** What `usbferry serve` starts, with its state and its control socket in a folder. */
export function serving(folder: string): Contender {
  return {
    name: "usbferry serve",
    argv: [process.execPath, script("contenders/serving-host.js"), folder],
    isReference: false,
    runs: speaksUsbip,
  };
}

export const ECHO: Contender = {
  name: "Node echo",
  argv: [process.execPath, script("contenders/echo.js")],
  isReference: false,
  runs: (one) => !speaksUsbip(one),
};

export function reference(program: string): Contender {
  return { name: "C reference", argv: [program], isReference: true, runs: speaksUsbip };
}

/** A server that runs in a process of its own. */
export class RunningContender {
  readonly contender: Contender;
  readonly port: number;
  readonly #process: ChildProcess;

  private constructor(contender: Contender, port: number, child: ChildProcess) {
    this.contender = contender;
    this.port = port;
    this.#process = child;
  }

  static async start(contender: Contender, cpu: number | undefined): Promise<RunningContender> {
    const [program, argv] = pinned(cpu, contender.argv);
    const stdio = contender.isReference
      ? ["ignore", "pipe", "inherit"]
      : ["ignore", "inherit", "inherit", "ipc"];
    const child = spawn(program, argv, { stdio: stdio as "pipe"[] });
    const [first] = await Promise.race([
      once(contender.isReference ? child.stdout : child, contender.isReference ? "data" : "message"),
      once(child, "exit").then(() => Promise.reject(new Error(`${contender.name} ended before it listened`))),
    ]);
    const { port } = contender.isReference ? JSON.parse(String(first)) : first;
    return new RunningContender(contender, port, child);
  }

  get pid(): number {
    return this.#process.pid!;
  }

  /** Processor time of each of its threads by number, in microseconds; nothing where the system does not tell. */
  get threadUs(): ReadonlyMap<number, number> | undefined {
    const tasks = `/proc/${this.pid}/task`;
    try {
      return new Map(
        readdirSync(tasks).map((task) => {
          const [ns] = readFileSync(`${tasks}/${task}/schedstat`, "utf8").split(" ", 1);
          return [Number(task), Number(ns) / 1e3];
        }),
      );
    } catch {
      return undefined;
    }
  }

  /** That of all of them together. */
  get cpuUs(): number | undefined {
    const times = this.threadUs;
    return times && Array.from(times.values()).reduce((sum, us) => sum + us, 0);
  }

  /** Nothing for a program without a collector. */
  async memory(): Promise<MemoryReport | undefined> {
    if (this.contender.isReference) return undefined;
    this.#process.send("report");
    const [answer] = await once(this.#process, "message");
    return answer as MemoryReport;
  }

  async stop(): Promise<void> {
    this.#process.kill();
    if (this.#process.exitCode === null && this.#process.signalCode === null)
      await once(this.#process, "exit");
  }
}

function script(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}
