import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { json, type Place } from "../api/api-client.ts";
import { ALONE, MAIN } from "../support/usbferry.ts";

/** `usbferry serve` as a process of its own, whose gadgets are plugged and unplugged while it runs. */
export class ControlledHost {
  /** The same after each start. */
  port = 0;
  pid = 0;
  readonly #folder = mkdtempSync(join(tmpdir(), "usbferry-controlled-"));
  #end: (signal: NodeJS.Signals) => Promise<void> = async () => {};

  /** With these gadgets, and at the port of its last run if there was one. */
  async start(...gadgets: readonly string[]): Promise<void> {
    const control = this.#place.socketPath;
    const argv = [MAIN, "serve", "--listen", `tcp:127.0.0.1:${this.port}`, "--control", control];
    const shared = gadgets.flatMap((gadget) => ["--gadget", gadget]);
    const serving = spawn(process.execPath, [...argv, ...shared], {
      env: { ...process.env, ...ALONE },
      stdio: ["ignore", "pipe", "ignore"],
    });
    this.pid = serving.pid!;
    const exit = once(serving, "exit");
    this.#end = async (signal) => {
      serving.kill(signal);
      await exit;
    };
    for await (const line of createInterface(serving.stdout)) {
      const port = /tcp:127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (port !== undefined) this.port = Number(port);
      if (line.includes(control)) return;
    }
    throw new Error("usbferry serve ended before it said where it is controlled");
  }

  /** Resolves with its bus id when the host offers it. */
  async plug(gadget: string): Promise<string> {
    const { busid } = (await json(this.#place, "/v1/gadgets", "POST", { gadget })) as { busid: string };
    return busid;
  }

  async unplug(busid: string): Promise<void> {
    await json(this.#place, `/v1/gadgets/${busid}`, "DELETE");
  }

  end(signal: NodeJS.Signals): Promise<void> {
    return this.#end(signal);
  }

  async remove(): Promise<void> {
    await this.end("SIGKILL");
    rmSync(this.#folder, { recursive: true });
  }

  get #place(): Place & { readonly socketPath: string } {
    return { socketPath: join(this.#folder, "control.sock") };
  }
}
