import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import {
  type ControllerState,
  type ControllerTraffic,
  controllerState,
  controllerTraffic,
  plugDevice,
  unplugDevice,
} from "../../src/daemon/controller/controller-client.ts";
import type { AskedDevice } from "../../src/daemon/controller/device-source.ts";
import { ALONE, MAIN } from "./usbferry.ts";

/** A line of its log. */
export interface ControllerLine {
  readonly code: string;
  readonly name?: string;
  readonly msg: string;
}

/** `usbferry controller` on this machine, as a process of its own, for guests that boot one after the other. */
export class ControllerProcess {
  /** What it has logged. */
  readonly lines: ControllerLine[] = [];
  readonly #folder: string;
  readonly #running: ChildProcess;
  /** Resolves with its exit code. */
  readonly exit: Promise<number | null>;

  private constructor(folder: string, running: ChildProcess) {
    this.#folder = folder;
    this.#running = running;
    this.exit = once(running, "exit").then(([code]) => {
      rmSync(folder, { recursive: true, force: true });
      return code as number | null;
    });
    createInterface(running.stderr!).on("line", (line) => this.#hear(line));
  }

  /** Resolves when a VMM may connect. */
  static start(...options: readonly string[]): Promise<ControllerProcess> {
    const folder = mkdtempSync(join(tmpdir(), "usbferry-controller-"));
    return ControllerProcess.#run(folder, ["--socket-path", join(folder, "vm.sock"), ...options], []);
  }

  /** One that has the descriptor as its number 3. */
  static startAt(fd: number, ...options: readonly string[]): Promise<ControllerProcess> {
    const folder = mkdtempSync(join(tmpdir(), "usbferry-controller-"));
    return ControllerProcess.#run(folder, ["--fd", "3", ...options], [fd]);
  }

  static async #run(
    folder: string,
    options: readonly string[],
    fds: readonly number[],
  ): Promise<ControllerProcess> {
    const own = ["--control", join(folder, "control.sock")];
    const running = spawn(process.execPath, [MAIN, "controller", ...own, ...options], {
      env: { ...process.env, ...ALONE },
      stdio: ["ignore", "pipe", "pipe", ...fds],
    });
    const controller = new ControllerProcess(folder, running);
    await new Promise<void>((resolve, reject) => {
      createInterface(running.stdout!).once("line", () => resolve());
      const died = (): void =>
        reject(new Error(`usbferry controller ended: ${controller.lines.at(-1)?.msg}`));
      void controller.exit.then(died);
    });
    return controller;
  }

  /** Where a VMM connects. */
  get socket(): string {
    return join(this.#folder, "vm.sock");
  }

  get control(): string {
    return join(this.#folder, "control.sock");
  }

  get processId(): number {
    return this.#running.pid!;
  }

  /** For a machine with shared memory. */
  get qemuArguments(): readonly string[] {
    const socket = { type: "unix", path: this.socket };
    return ["-device", JSON.stringify({ driver: "vfio-user-pci", socket })];
  }

  state(): Promise<ControllerState> {
    return controllerState(this.control);
  }

  traffic(): Promise<ControllerTraffic> {
    return controllerTraffic(this.control);
  }

  plug(device: string): Promise<AskedDevice> {
    return plugDevice(this.control, device);
  }

  unplug(device: string): Promise<AskedDevice> {
    return unplugDevice(this.control, device);
  }

  /** May be repeated. */
  async stop(): Promise<void> {
    this.#running.kill("SIGTERM");
    await this.exit;
  }

  #hear(line: string): void {
    if (line.startsWith("{")) this.lines.push(JSON.parse(line) as ControllerLine);
    else this.lines.push({ code: "SAID", msg: line });
  }
}
