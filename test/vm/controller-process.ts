import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import {
  type ControllerState,
  controllerState,
  plugDevice,
  unplugDevice,
} from "../../src/daemon/controller/controller-client.ts";
import type { AskedDevice } from "../../src/daemon/controller/device-source.ts";
import { ALONE, MAIN } from "../support/usbferry.ts";
import type { HostLine } from "./link-host.ts";

/** `usbferry controller` on this machine, as a process of its own, for guests that boot one after the other. */
export class ControllerProcess {
  /** What it has logged. */
  readonly lines: HostLine[] = [];
  readonly #folder: string;
  readonly #kill: (signal: NodeJS.Signals) => boolean;
  readonly #exit: Promise<unknown>;

  private constructor(folder: string, kill: (signal: NodeJS.Signals) => boolean, exit: Promise<unknown>) {
    this.#folder = folder;
    this.#kill = kill;
    this.#exit = exit;
  }

  /** Resolves when a VMM may connect. */
  static async start(...options: readonly string[]): Promise<ControllerProcess> {
    const folder = mkdtempSync(join(tmpdir(), "usbferry-controller-"));
    const own = ["--socket-path", join(folder, "vm.sock"), "--control", join(folder, "control.sock")];
    const running = spawn(process.execPath, [MAIN, "controller", ...own, ...options], {
      env: { ...process.env, ...ALONE },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const exit = once(running, "exit").then(() => rmSync(folder, { recursive: true, force: true }));
    const controller = new ControllerProcess(folder, (signal) => running.kill(signal), exit);
    createInterface(running.stderr).on("line", (line) => controller.#hear(line));
    await new Promise<void>((resolve, reject) => {
      createInterface(running.stdout).once("line", () => resolve());
      void exit.then(() => reject(new Error(`usbferry controller ended: ${controller.lines.at(-1)?.msg}`)));
    });
    return controller;
  }

  /** For a machine with shared memory. */
  get qemuArguments(): readonly string[] {
    const socket = { type: "unix", path: join(this.#folder, "vm.sock") };
    return ["-device", JSON.stringify({ driver: "vfio-user-pci", socket })];
  }

  state(): Promise<ControllerState> {
    return controllerState(this.#control);
  }

  plug(device: string): Promise<AskedDevice> {
    return plugDevice(this.#control, device);
  }

  unplug(device: string): Promise<AskedDevice> {
    return unplugDevice(this.#control, device);
  }

  /** May be repeated. */
  async stop(): Promise<void> {
    this.#kill("SIGTERM");
    await this.#exit;
  }

  get #control(): string {
    return join(this.#folder, "control.sock");
  }

  #hear(line: string): void {
    const atMs = performance.now();
    if (line.startsWith("{")) this.lines.push({ ...(JSON.parse(line) as HostLine), atMs });
    else this.lines.push({ code: "SAID", msg: line, atMs });
  }
}
