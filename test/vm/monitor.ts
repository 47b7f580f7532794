import type { Socket } from "node:net";
import { LineSplitter } from "./guest/messages.ts";

/** QEMU's monitor did not do what it was asked for. */
export class MonitorRefusal extends Error {}

interface MonitorMessage {
  readonly QMP?: object;
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
  readonly event?: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

interface Question {
  readonly command: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

interface Expectation {
  readonly event: string;
  readonly isMeant: (data: Readonly<Record<string, unknown>>) => boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** The runner's side of QEMU's machine protocol (QMP): what a hand at the machine does. */
export class Monitor {
  readonly #socket: Socket;
  /** QEMU answers in the order of the questions. */
  readonly #questions: Question[] = [];
  #expectations: Expectation[] = [];
  #ended = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const lines = new LineSplitter((line) => this.#hear(JSON.parse(line) as MonitorMessage));
    socket.on("data", (bytes: Buffer) => lines.push(bytes));
    socket.on("error", () => {}); // QEMU's end says more
    socket.on("close", () => this.#end());
  }

  static async over(socket: Socket): Promise<Monitor> {
    const monitor = new Monitor(socket);
    await monitor.execute("qmp_capabilities");
    return monitor;
  }

  /** One command of QMP. The promise resolves in the turn in which the reply arrives. */
  execute(command: string, parameters: object = {}): Promise<unknown> {
    if (this.#ended) return Promise.reject(new MonitorRefusal(`${command}: QEMU has ended`));
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: parameters })}\n`);
    return new Promise((resolve, reject) => this.#questions.push({ command, resolve, reject }));
  }

  /** One command of the monitor for people, which knows some that QMP lacks. Rejects where it complains. */
  async type(line: string): Promise<void> {
    const printed = (await this.execute("human-monitor-command", { "command-line": line })) as string;
    if (printed.trim() !== "") throw new MonitorRefusal(`${line}: ${printed.trim()}`);
  }

  /** The next event of this kind; to be called before what causes it. */
  next(event: string, isMeant: Expectation["isMeant"] = () => true): Promise<void> {
    return new Promise((resolve, reject) => this.#expectations.push({ event, isMeant, resolve, reject }));
  }

  close(): void {
    this.#socket.destroy();
  }

  #hear({ QMP, return: value, error, event, data = {} }: MonitorMessage): void {
    if (QMP !== undefined) return; // its greeting
    if (event !== undefined) {
      const met = this.#expectations.filter((each) => each.event === event && each.isMeant(data));
      this.#expectations = this.#expectations.filter((each) => !met.includes(each));
      for (const { resolve } of met) resolve();
      return;
    }
    const question = this.#questions.shift();
    if (error === undefined) question?.resolve(value);
    else question?.reject(new MonitorRefusal(`${question.command}: ${error.desc}`));
  }

  #end(): void {
    this.#ended = true;
    for (const { command, reject } of this.#questions.splice(0))
      reject(new MonitorRefusal(`${command}: QEMU has ended`));
    for (const { event, reject } of this.#expectations.splice(0))
      reject(new MonitorRefusal(`${event} was waited for: QEMU has ended`));
  }
}
