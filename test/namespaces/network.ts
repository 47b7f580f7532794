import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ALONE } from "../support/usbferry.ts";

/** Network namespaces need a privilege, and the tool ip. */
export function obstacle(): string | undefined {
  if (process.getuid?.() !== 0) return "network namespaces need root";
  try {
    execFileSync("ip", ["netns", "list"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "there is no ip netns on this machine";
  }
}

/** A program in a namespace, and what it has printed. */
export class Program {
  readonly lines: string[] = [];
  /** When the last line came. */
  lastMs = 0;
  readonly ended: Promise<number | null>;
  readonly #process: ChildProcess;

  constructor(namespace: string, argv: readonly string[], env: Readonly<Record<string, string>>) {
    this.#process = spawn("ip", ["netns", "exec", namespace, process.execPath, ...argv], {
      env: { ...process.env, ...ALONE, ...env },
      stdio: "pipe",
    });
    for (const stream of [this.#process.stdout!, this.#process.stderr!]) {
      createInterface(stream).on("line", (line) => {
        this.lastMs = performance.now();
        this.lines.push(line);
      });
    }
    this.ended = once(this.#process, "close").then(([code]) => code as number | null);
  }

  /** The first line that matches; rejects after 20 s, or when it ended without one. */
  async line(pattern: RegExp): Promise<string> {
    let isOver = false;
    void this.ended.then(() => {
      isOver = true;
    });
    for (const endMs = performance.now() + 20_000; performance.now() < endMs; ) {
      const found = this.lines.find((line) => pattern.test(line));
      if (found !== undefined) return found;
      if (isOver) break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`no line like ${pattern} among:\n${this.lines.join("\n")}`);
  }

  type(line: string): void {
    this.#process.stdin!.write(`${line}\n`);
  }

  async stop(): Promise<void> {
    this.#process.kill();
    await this.ended;
  }
}

/** Two namespaces of the network with a cable between them. */
export class Network {
  readonly addresses = { one: "10.197.0.1", two: "10.197.0.2" } as const;
  readonly #programs: Program[] = [];

  constructor() {
    this.remove();
    for (const name of ["one", "two"] as const) {
      ip("netns", "add", spaceOf(name));
      ip("-n", spaceOf(name), "link", "set", "lo", "up");
    }
    ip(
      "link",
      "add",
      "cable",
      "netns",
      spaceOf("one"),
      "type",
      "veth",
      "peer",
      "name",
      "cable",
      "netns",
      spaceOf("two"),
    );
    for (const name of ["one", "two"] as const) {
      ip("-n", spaceOf(name), "address", "add", `${this.addresses[name]}/24`, "dev", "cable");
      ip("-n", spaceOf(name), "link", "set", "cable", "up");
    }
  }

  /** A module of this repository, in one of them. */
  run(
    where: "one" | "two",
    module: string,
    argv: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Program {
    const path = fileURLToPath(new URL(`../../${module}`, import.meta.url));
    const program = new Program(spaceOf(where), [path, ...argv], env);
    this.#programs.push(program);
    return program;
  }

  usbferry(where: "one" | "two", state: string, ...argv: readonly string[]): Program {
    return this.run(where, "src/cli/main.js", argv, { USBFERRY_STATE: state });
  }

  cut(): void {
    ip("-n", spaceOf("one"), "link", "set", "cable", "down");
  }

  /** Resolves when both ends carry again: the kernel is up to a second late, and remembers that nobody answered. */
  async mend(): Promise<void> {
    ip("-n", spaceOf("one"), "link", "set", "cable", "up");
    for (const name of ["one", "two"]) {
      while (!ip("-n", spaceOf(name), "link", "show", "cable").includes("state UP")) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
    for (const name of ["one", "two"]) ip("-n", spaceOf(name), "neighbour", "flush", "dev", "cable");
  }

  async close(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.stop()));
    this.remove();
  }

  remove(): void {
    for (const name of ["one", "two"]) {
      try {
        ip("netns", "delete", spaceOf(name));
      } catch {
        // It was not there.
      }
    }
  }
}

function spaceOf(name: string): string {
  return `usbferry-${process.pid}-${name}`;
}

function ip(...argv: readonly string[]): string {
  return execFileSync("ip", argv, { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" });
}
