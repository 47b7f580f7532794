import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { KernelName } from "./debian/preparation.ts";
import { type AgentMessage, LineSplitter, type Order, type RunResult } from "./guest/messages.ts";
import { type KernelLogLine, parseKernelRecord } from "./kernel-log.ts";
import type { Machine } from "./machine.ts";
import type { Monitor } from "./monitor.ts";

export interface RunOptions {
  /** Default 30 s. Then the program is killed and the call rejects. */
  readonly timeoutMs?: number;
  readonly input?: string;
}

export interface ProgramResult {
  /** Null where a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: string | null;
}

/** A program in the background of the guest. */
export interface GuestProcess {
  readonly exit: Promise<ProcessEnd>;
  /** Signals the program and its children. Default SIGTERM. */
  kill(signal?: NodeJS.Signals): Promise<void>;
}

/** A moment: on the runner's clock, and in the kernel's log. */
export interface Mark {
  readonly atMs: number;
  readonly logIndex: number;
}

export type OnLine = (line: string, atMs: number, source: "stdout" | "stderr") => void;

/** The guest died or hung, and will not answer again. */
export class GuestFailure extends Error {}

const BOOT_TIMEOUT_MS = 90_000;
/** In the place of the number of an order. */
const READY = 0;
const RUN_TIMEOUT_MS = 90_000;

/** Start of the lines that mark a moment in the kernel's log. */
const MARK = "usbferry: mark ";

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

interface Background {
  readonly onLine: OnLine;
  readonly onExit: (end: ProcessEnd) => void;
}

/**
 * A running guest. All times are performance.now() of this process, taken when the agent's line arrives; the guest's own
 * clock, slow and stepping under emulation, is never asked.
 */
export class Guest {
  readonly name: string;
  readonly kernel: KernelName;
  /** Where the guest reaches what listens on this machine's 127.0.0.1. */
  readonly hostAddress = "10.0.2.2";
  /** The folder of this machine that the guest has as /scratch. */
  readonly scratch: string;
  /** uname -r */
  release = "";
  #failure: GuestFailure | undefined;
  readonly #machine: Machine;
  readonly #waiting = new Map<number, Waiting>();
  readonly #background = new Map<number, Background>();
  readonly #orphans: AgentMessage[] = [];
  readonly #log: KernelLogLine[] = [];
  #expected: { readonly pattern: RegExp; readonly resolve: (line: KernelLogLine) => void }[] = [];
  readonly #answerTimeoutMs: number;
  #nextId = 1;
  #stopped = false;
  #lines!: LineSplitter;

  private constructor(machine: Machine, answerTimeoutMs: number) {
    this.#answerTimeoutMs = answerTimeoutMs;
    this.name = machine.name;
    this.kernel = machine.kernel;
    this.scratch = machine.scratch;
    this.#machine = machine;
  }

  /** Resolves when the agent has reported. */
  static async of(machine: Machine, answerTimeoutMs: number): Promise<Guest> {
    const guest = new Guest(machine, answerTimeoutMs);
    const ready = guest.#reported();
    guest.#listen();
    machine.control.on("data", (bytes: Buffer) => guest.#lines.push(bytes));
    machine.control.on("error", () => {}); // QEMU's end says more
    void machine.ended.then((how) => guest.#fail(how));
    try {
      await ready;
    } catch (error) {
      await machine.stop();
      throw error;
    }
    return guest;
  }

  /**
   * The kernel starts the machine anew, or somebody presses its reset button. Resolves when the agent has reported again;
   * what ran in the guest is gone, and so are its modules.
   */
  async restart(how: "reboot" | "reset"): Promise<void> {
    await this.monitor.execute("set-action", { reboot: "reset" });
    const began = this.monitor.next("RESET");
    if (how === "reset") await this.monitor.execute("system_reset");
    // Nobody is left to answer.
    else void this.run(["reboot", "-f"]).catch(() => {});
    await began;
    const ready = this.#reported();
    this.#abandon(new Error(`${this.name} was started anew.`));
    this.#listen();
    await ready;
    await this.monitor.execute("set-action", { reboot: "shutdown" });
  }

  /** QEMU's monitor: what a hand at the machine does. */
  get monitor(): Monitor {
    return this.#machine.monitor;
  }

  /** The folder of this machine that goes with the guest. */
  get folder(): string {
    return this.#machine.folder;
  }

  /**
   * Opens a port of the guest's to this machine and its other guests. Answers its number at this machine's loopback
   * interface, where other guests find it at their `hostAddress`.
   */
  async publish(port: number): Promise<number> {
    const listener = createServer().listen(0, "127.0.0.1");
    await once(listener, "listening");
    const { port: free } = listener.address() as AddressInfo;
    listener.close();
    await once(listener, "close");
    await this.monitor.type(`hostfwd_add net tcp:127.0.0.1:${free}-:${port}`);
    return free;
  }

  /** Why the guest can no longer be used. */
  get failure(): GuestFailure | undefined {
    return this.#failure;
  }

  get processId(): number {
    return this.#machine.processId;
  }

  /** Runs a program to its end. A code other than 0 is a result, not a rejection. Working directory: /scratch. */
  async run(argv: readonly string[], options: RunOptions = {}): Promise<ProgramResult> {
    const timeoutMs = options.timeoutMs ?? RUN_TIMEOUT_MS;
    const order: Order = { order: "run", argv, input: options.input ?? "", timeoutMs };
    const result = (await this.#order(order, timeoutMs + this.#answerTimeoutMs)) as RunResult;
    if (result.timedOut)
      throw new Error(
        `${this.name}: ${argv.join(" ")} did not end in ${timeoutMs} ms\n${result.stdout}${result.stderr}\n${this.#recentLog()}`,
      );
    return { code: result.code, stdout: result.stdout, stderr: result.stderr };
  }

  /** Runs a shell script and returns its output. Rejects if it does not end with 0. */
  async shell(script: string, options: RunOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(["sh", "-c", script], options);
    if (code !== 0)
      throw new Error(`${this.name}: \`${script}\` ended with ${code}\n${stdout}${stderr}`.trim());
    return stdout;
  }

  async spawn(argv: readonly string[], onLine: OnLine): Promise<GuestProcess> {
    const process = (await this.#order({ order: "spawn", argv })) as number;
    const exit = new Promise<ProcessEnd>((onExit) => this.#background.set(process, { onLine, onExit }));
    for (const message of this.#orphans.splice(0)) this.#hear(message);
    return {
      exit,
      kill: async (signal = "SIGTERM") => void (await this.#order({ order: "kill", process, signal })),
    };
  }

  async readFile(path: string): Promise<Buffer> {
    return Buffer.from((await this.#order({ order: "read", path })) as string, "base64");
  }

  /** For more than a few MiB write into `scratch` instead. */
  async writeFile(path: string, data: string | Uint8Array): Promise<void> {
    await this.#order({ order: "write", path, base64: Buffer.from(data).toString("base64") });
  }

  async list(path: string): Promise<string[]> {
    return (await this.#order({ order: "list", path })) as string[];
  }

  /**
   * Calls a function of a module of this repository inside the agent: `module` is a path below dist/, arguments and
   * result travel as JSON. Far quicker than another node; the function must not block the thread.
   */
  async call(
    module: string,
    name: string,
    args: readonly unknown[],
    timeoutMs = RUN_TIMEOUT_MS,
  ): Promise<unknown> {
    return this.#order({ order: "call", module, name, args }, timeoutMs + this.#answerTimeoutMs);
  }

  /** The command line of a node program of this repository in the guest: `module` is a path below dist/. */
  nodeProgram(module: string, ...args: readonly string[]): string[] {
    return ["/node/bin/node", "--enable-source-maps", `/repo/dist/${module}`, ...args];
  }

  async loadModule(...names: readonly string[]): Promise<void> {
    for (const name of names) await this.shell(`modprobe ${name}`);
  }

  async unloadModule(...names: readonly string[]): Promise<void> {
    for (const name of names) await this.shell(`rmmod ${name}`);
  }

  /** The kernel's log until this moment, from boot or from a mark. After the guest's death: what had arrived. */
  async kernelLog(since?: Mark): Promise<readonly KernelLogLine[]> {
    if (!this.#failure) await this.mark();
    return this.#log.slice(since?.logIndex ?? 0);
  }

  /** Notes this moment. All that the kernel logged before it has arrived when the promise resolves. */
  async mark(): Promise<Mark> {
    const id = this.#nextId++;
    const arrived = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    const [mark] = await Promise.all([
      this.#within(arrived, this.#answerTimeoutMs, "the kernel's log"),
      this.#order({ order: "mark", text: `${MARK}${id}` }),
    ]);
    return mark as Mark;
  }

  /** The next line of the kernel's log that matches; to be called before what causes it. */
  async logged(pattern: RegExp, timeoutMs = RUN_TIMEOUT_MS): Promise<KernelLogLine> {
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise((resolve, reject) => {
        const late = `${this.name}: ${pattern} was not logged in ${timeoutMs} ms`;
        timer = setTimeout(() => reject(new Error(`${late}\n${this.#recentLog()}`)), timeoutMs);
        this.#expected.push({ pattern, resolve });
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Asks again and again until the script ends with 0, or the function answers neither false nor undefined. */
  async waitFor(
    description: string,
    predicate: string | (() => unknown),
    timeoutMs = RUN_TIMEOUT_MS,
  ): Promise<void> {
    const end = performance.now() + timeoutMs;
    for (;;) {
      if (typeof predicate === "string") {
        const left = Math.max(1000, end - performance.now());
        // The loop runs in the guest: a start per try costs more there than the wait between.
        const script = `end=$(( $(cut -d. -f1 /proc/uptime) + ${Math.ceil(left / 1000)} ))
          until { ${predicate}
          } >/dev/null 2>&1; do
            [ $(cut -d. -f1 /proc/uptime) -ge $end ] && exit 1; usleep 30000; done`;
        if ((await this.run(["sh", "-c", script], { timeoutMs: left + this.#answerTimeoutMs })).code === 0)
          return;
      } else {
        const answer = await predicate();
        if (answer !== false && answer !== undefined) return;
        await sleep(20);
      }
      if (performance.now() > end)
        throw new Error(`${this.name}: ${description}: not seen in ${timeoutMs} ms\n${this.#recentLog()}`);
    }
  }

  /** Pulls the plug. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#fail("It was stopped.");
    await this.#machine.stop();
  }

  #order(order: Order, timeoutMs = this.#answerTimeoutMs): Promise<unknown> {
    if (this.#failure) return Promise.reject(this.#failure);
    const id = this.#nextId++;
    const answer = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#machine.control.write(`${JSON.stringify({ id, ...order })}\n`);
    return this.#within(answer, timeoutMs, `the agent, asked to ${order.order}`);
  }

  /** A guest that does not answer in time counts as hung, for this call and all later ones. */
  async #within(answer: Promise<unknown>, timeoutMs: number, who: string): Promise<unknown> {
    const timer = setTimeout(
      () => this.#fail(`It hangs: no answer in ${timeoutMs} ms from ${who}.`),
      timeoutMs,
    );
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The agent has said its first word. */
  async #reported(): Promise<void> {
    const ready = new Promise((resolve, reject) => this.#waiting.set(READY, { resolve, reject }));
    await this.#within(ready, BOOT_TIMEOUT_MS, "its agent since the start");
  }

  /** What was said in part before is nothing. */
  #listen(): void {
    this.#lines = new LineSplitter((line) => this.#hear(JSON.parse(line) as AgentMessage));
  }

  #fail(why: string): void {
    if (this.#failure) return;
    const logs = this.#stopped ? "" : `\n${this.#recentLog()}\n${this.#machine.logTail()}`;
    this.#failure = new GuestFailure(`${this.name} is gone. ${why}${logs}`);
    this.#answer(READY)?.reject(this.#failure);
    this.#abandon(this.#failure);
  }

  /** Nobody answers who was asked, and no program runs any more. */
  #abandon(why: Error): void {
    for (const [id, { reject }] of this.#waiting) {
      if (id === READY) continue;
      this.#waiting.delete(id);
      reject(why);
    }
    for (const { onExit } of this.#background.values()) onExit({ code: null, signal: null });
    this.#background.clear();
  }

  #recentLog(): string {
    const lines = this.#log.slice(-15).map((line) => `<${line.level}> ${line.text}`);
    return `--- end of the kernel's log of ${this.name}\n${lines.join("\n")}`;
  }

  #hear(message: AgentMessage): void {
    const atMs = performance.now();
    switch (message.message) {
      case "ready":
        this.release = message.release;
        this.#answer(READY)?.resolve(undefined);
        break;
      case "answer":
        this.#answer(message.id)?.resolve(message.value);
        break;
      case "refusal":
        this.#answer(message.id)?.reject(new Error(`${this.name}: ${message.error}`));
        break;
      case "kernel":
        for (const record of message.records) this.#note(parseKernelRecord(record, atMs));
        break;
      case "line":
      case "exit": {
        const background = this.#background.get(message.process);
        // A quick program's first line can arrive before the answer that names the process has been seen.
        if (!background) this.#orphans.push(message);
        else if (message.message === "line") background.onLine(message.text, atMs, message.source);
        else {
          this.#background.delete(message.process);
          background.onExit({ code: message.code, signal: message.signal });
        }
      }
    }
  }

  #note(line: KernelLogLine): void {
    const mark: Mark = { atMs: line.atMs, logIndex: this.#log.length };
    if (line.text.startsWith(MARK)) this.#answer(Number(line.text.slice(MARK.length)))?.resolve(mark);
    else {
      this.#log.push(line);
      const met = this.#expected.filter(({ pattern }) => pattern.test(line.text));
      if (met.length === 0) return;
      this.#expected = this.#expected.filter((each) => !met.includes(each));
      for (const { resolve } of met) resolve(line);
    }
  }

  #answer(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }
}
