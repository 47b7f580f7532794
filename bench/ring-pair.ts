import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createMemoryFile } from "../src/linux/memory-file.ts";
import { socketPair } from "../src/linux/socket-pair.ts";
import { SystemError } from "../src/linux/system-error.ts";
import type { Pinning } from "./pinning.ts";
import type { RingContender, RingResult } from "./ring-contender.ts";

/** Depth 32 of 1 MiB, and a device has no more than three quarters of the slots. */
const MEMORY_BYTES = 64 << 20;
/** How long each side looks before it sleeps: longer than it takes to wake the other one up. */
export const LOOK_MS = 0.05;
/** Node compiles while it runs: what is new to a pair needs longer to be warm than a C program does. */
const NEW_WARM_MS = 1_000;

/** Host and guest of a ring, each in a process on its processor, from the first case to the last. */
export class RingPair {
  readonly #host: ChildProcess;
  readonly #guest: ChildProcess;
  readonly #ended: Promise<never>;
  readonly #played = new Set<string>();

  private constructor(host: ChildProcess, guest: ChildProcess) {
    this.#host = host;
    this.#guest = guest;
    const ends = [host, guest].map((side) => once(side, "exit"));
    this.#ended = Promise.race(ends).then(() => Promise.reject(new Error("a side of the ring has ended")));
    this.#ended.catch(() => {});
  }

  static async start(place: Pinning, lookMs: number): Promise<RingPair> {
    const memory = createMemoryFile("usbferry bench", MEMORY_BYTES);
    const sockets = socketPair();
    if (memory instanceof SystemError) throw memory;
    if (sockets instanceof SystemError) throw sockets;
    const host = startSide("host", place.server, lookMs, memory, sockets[0]);
    const guest = startSide("guest", place.client, lookMs, memory, sockets[1]);
    for (const fd of [memory, ...sockets]) closeSync(fd);
    await Promise.all([once(host, "message"), once(guest, "message")]);
    return new RingPair(host, guest);
  }

  contender(name: string, runs: RingContender["runs"] = () => true): RingContender {
    return {
      name,
      runs,
      run: async ({ size, depth }, _place, warmMs, measureMs) => {
        const isNew = !this.#played.has(`${size} ${depth}`);
        this.#played.add(`${size} ${depth}`);
        this.#guest.send({ size, depth, warmMs: isNew ? NEW_WARM_MS : warmMs, measureMs });
        const [result] = await Promise.race([once(this.#guest, "message"), this.#ended]);
        return result as RingResult;
      },
    };
  }

  stop(): void {
    this.#guest.kill();
    this.#host.kill("SIGKILL");
  }
}

/** It pins the thread that has the ring, as `--ring-cpu` does, and leaves the compiler's threads alone. */
function startSide(
  role: string,
  cpu: number | undefined,
  lookMs: number,
  memory: number,
  socket: number,
): ChildProcess {
  const script = fileURLToPath(new URL("contenders/ring-side.js", import.meta.url));
  const argv = [script, role, String(lookMs), String(cpu ?? "")];
  return spawn(process.execPath, argv, { stdio: ["ignore", "inherit", "inherit", memory, socket, "ipc"] });
}
