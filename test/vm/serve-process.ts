import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { ALONE, MAIN } from "../support/usbferry.ts";

/** `usbferry serve` as a process of its own, so that it can be killed. */
export class ServeProcess {
  readonly port: number;
  readonly #kill: () => Promise<void>;

  private constructor(port: number, kill: () => Promise<void>) {
    this.port = port;
    this.#kill = kill;
  }

  static async start(gadget: string): Promise<ServeProcess> {
    const argv = [MAIN, "serve", "--listen", "tcp:127.0.0.1:0", "--control", "off", "--gadget", gadget];
    const env = { ...process.env, ...ALONE };
    const serving = spawn(process.execPath, argv, { env, stdio: ["ignore", "pipe", "ignore"] });
    const exit = once(serving, "exit");
    for await (const line of createInterface(serving.stdout)) {
      const port = /tcp:127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (port === undefined) continue;
      return new ServeProcess(Number(port), async () => {
        serving.kill("SIGKILL");
        await exit;
      });
    }
    throw new Error("usbferry serve ended before it named its port");
  }

  /** SIGKILL; may be repeated. */
  kill(): Promise<void> {
    return this.#kill();
  }
}
