import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ALONE, MAIN } from "../support/usbferry.ts";

const { PATH } = process.env;

const COMMAND_MS = 30_000;
const READY_MS = 30_000;

/** What tells that a command goes on, and works now. */
const READY = "Stop with Ctrl+C.";

/** Whether a line starts something that goes on until it is told to end. */
export function goesOn(text: string): boolean {
  return /\busbferry (serve|controller --(socket-path|fd)|attach --listen)|^vhost-device-vsock /.test(text);
}

/** This machine as a reader of a guide has it: a shell with `usbferry`, in a folder and with a state of its own. */
export class HostSide {
  /** What stands for the places of a guide. */
  readonly values: Readonly<Record<string, string>>;
  readonly #folder: string;
  #running: ChildProcess[] = [];
  #controls = 0;

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.values = { folder, port: String(port) };
  }

  /** `programs`: others that it has, with the words that start them. */
  static async start(programs: Readonly<Record<string, readonly string[]>>): Promise<HostSide> {
    const folder = mkdtempSync(join(tmpdir(), "usbferry-guides-"));
    const free = createServer().listen(0, "127.0.0.1");
    await once(free, "listening");
    const { port } = free.address() as AddressInfo;
    free.close();
    const host = new HostSide(folder, port);
    mkdirSync(join(folder, "bin"));
    host.#script("usbferry", `exec '${process.execPath}' '${MAIN}' "$@"`);
    host.#script("sudo", 'exec "$@"');
    host.#script("qemu-system-x86_64", `printf '%s\\0' "$@" >>'${host.#machine}'`);
    for (const [name, words] of Object.entries(programs))
      host.#script(name, `exec ${words.map((word) => `'${word}'`).join(" ")} "$@"`);
    return host;
  }

  get control(): string {
    return join(this.#folder, `control-${this.#controls}`);
  }

  get #machine(): string {
    return join(this.#folder, "machine");
  }

  /** What QEMU was started with, each option once. */
  get qemuArguments(): readonly string[] {
    const words = readFileSync(this.#machine, "utf8")
      .split("\0")
      .filter((word) => word !== "" && word !== "...");
    const options = new Set<string>();
    for (let i = 0; i < words.length; i += 2) {
      if (!words[i]!.startsWith("-")) throw new Error(`${words[i]} is no option of QEMU`);
      options.add(`${words[i]}\0${words[i + 1]}`);
    }
    return Array.from(options, (option) => option.split("\0")).flat();
  }

  /** What it printed; rejects unless it ended with 0. */
  async run(text: string): Promise<string> {
    const child = this.#spawn(text);
    const timer = setTimeout(() => child.process.kill("SIGKILL"), COMMAND_MS);
    await once(child.process, "close");
    clearTimeout(timer);
    if (child.process.exitCode !== 0)
      throw new Error(`\`${text}\` ended with ${child.process.exitCode}\n${child.printed()}`);
    return child.printed();
  }

  /** Something that goes on; resolves when it works. */
  async begin(text: string): Promise<void> {
    this.#controls++;
    const child = this.#spawn(`exec ${text}`);
    this.#running.push(child.process);
    const sockets = Array.from(
      text.matchAll(/^vhost.*?(?:,socket|uds-path)=([^,\s]+)/g),
      ([, path]) => path!,
    );
    const isReady = (): boolean =>
      text.startsWith("vhost") ? sockets.every((path) => existsSync(path)) : child.printed().includes(READY);
    const end = performance.now() + READY_MS;
    while (!isReady()) {
      if (child.process.exitCode !== null || performance.now() > end)
        throw new Error(`\`${text}\` does not work\n${child.printed()}`);
      await sleep(20);
    }
  }

  /** What was begun, to be ended later than other things. */
  keep(): readonly ChildProcess[] {
    return this.#running.splice(0);
  }

  async end(processes: readonly ChildProcess[] = this.#running.splice(0)): Promise<void> {
    await Promise.all(
      processes.map(async (process) => {
        if (process.exitCode !== null || process.signalCode !== null) return;
        const exit = once(process, "exit");
        process.kill();
        const timer = setTimeout(() => process.kill("SIGKILL"), 10_000);
        await exit;
        clearTimeout(timer);
      }),
    );
  }

  /** With its folder. */
  async remove(): Promise<void> {
    await this.end();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #script(name: string, line: string): void {
    const path = join(this.#folder, "bin", name);
    writeFileSync(path, `#!/bin/sh\n${line}\n`);
    chmodSync(path, 0o755);
  }

  #spawn(text: string): { readonly process: ChildProcess; printed: () => string } {
    let printed = "";
    const child = spawn("/bin/sh", ["-c", text], {
      cwd: this.#folder,
      env: {
        ...process.env,
        ...ALONE,
        PATH: `${join(this.#folder, "bin")}:${PATH}`,
        USBFERRY_STATE: join(this.#folder, "state"),
        USBFERRY_CONTROL: this.control,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (piece: string) => {
        printed += piece;
      });
    return { process: child, printed: () => printed };
  }
}
