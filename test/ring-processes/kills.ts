import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createMemoryFile } from "../../src/linux/memory-file.ts";
import type { SideMessage } from "./side-message.ts";

const PATIENCE_MS = 30_000;
/** A message takes some tens of microseconds. */
const LONGEST_MS = 15;
const MEMORY_BYTES = 8 << 20;

/** How host and guest are started. */
export interface RingProcesses {
  host(): ChildProcess;
  guest(): ChildProcess;
  /** A guest whose host was killed tells so before there is another one. */
  readonly noticesAtOnce: boolean;
}

const USBFERRY = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

function serveOptions(folder: string): readonly string[] {
  const state = ["--state-dir", join(folder, "state"), "--control", "off", "--data-plane", "main"];
  return ["--gadget", "zero", "--log-level", "off,audit=off", ...state];
}

/** Each device in memory of its own, which its host hands over: `usbferry serve`. */
export function servedProcesses(folder: string): RingProcesses {
  const path = join(folder, "ring");
  const words = ["serve", "--listen", `ring:${path}`, ...serveOptions(folder)];
  return {
    host: () => start([USBFERRY, ...words], []),
    guest: () => start([script("served-guest.js"), path], ["ipc"]),
    noticesAtOnce: true,
  };
}

/** Memory that outlives both, as a virtual machine and its host have it: `usbferry serve`, and the guest that `attach` makes. */
export function fileProcesses(folder: string): RingProcesses {
  const path = join(folder, "memory");
  writeFileSync(path, "");
  truncateSync(path, MEMORY_BYTES);
  const config = join(folder, "config.yaml");
  writeFileSync(config, "rules: [allow link=ring]\n");
  const listen = ["--listen", `ring:file:${path},wake=unix:${path}.wake`, "--config", config];
  return {
    host: () => start([USBFERRY, "serve", ...listen, ...serveOptions(folder)], []),
    guest: () => start([script("file-guest.js"), path], ["ipc"]),
    noticesAtOnce: true,
  };
}

/** Memory that outlives both sides. */
export function lastingProcesses(folder: string): RingProcesses {
  const path = join(folder, "bells");
  const memory = createMemoryFile("usbferry test", MEMORY_BYTES);
  assert(typeof memory === "number");
  return {
    host: () => start([script("lasting-side.js"), "host", path], [memory, "ipc"]),
    guest: () => start([script("lasting-side.js"), "guest", path], [memory, "ipc"]),
    noticesAtOnce: false,
  };
}

/**
 * Kills host or guest at so many random moments while messages pass between them: the other one returns all that was
 * under way, goes on with the next life of the one that died, and no byte is wrong.
 */
export async function killManyTimes(
  context: TestContext,
  make: (folder: string) => RingProcesses,
  rounds: number,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "usbferry-ring-kills-"));
  const processes = make(folder);
  let host = processes.host();
  let guest = new ObservedGuest(processes.guest());
  context.after(() => {
    for (const child of [host, guest.process]) child.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  });
  let messages = 0;
  const errors: string[] = [];
  const observe = (child: ChildProcess): void => {
    child.on("message", (message: SideMessage) => {
      if (message.what === "error") errors.push(message.message);
    });
  };
  observe(host);
  observe(guest.process);
  for (let round = 0; round < rounds; round++) {
    await guest.until("session");
    await guest.untilProgress();
    await sleep(Math.random() * LONGEST_MS);
    messages += guest.messages;
    if (Math.random() < 0.5) {
      guest.forget();
      await killed(host);
      if (processes.noticesAtOnce) await guest.untilLost();
      host = processes.host();
      observe(host);
      if (!processes.noticesAtOnce) await guest.untilLost();
    } else {
      await killed(guest.process);
      guest = new ObservedGuest(processes.guest());
      observe(guest.process);
    }
    assert.deepEqual(errors, [], `round ${round}: nobody is blamed`);
  }
  await guest.until("session");
  await guest.untilProgress();
  guest.process.send("end");
  const { report, slots, urbs } = await guest.until("ended");
  assert.deepEqual(
    { inFlight: report.inFlight, wrong: report.wrong, slots, urbs },
    { inFlight: 0, wrong: [], slots: 0, urbs: 0 },
  );
  assert.deepEqual(errors, []);
  context.diagnostic(`${messages} messages before ${rounds} kills`);
}

/** The process of a guest, and what it has told. */
class ObservedGuest {
  readonly process: ChildProcess;
  readonly #told: SideMessage[] = [];
  #woken: () => void = () => {};
  messages = 0;

  constructor(child: ChildProcess) {
    this.process = child;
    child.on("message", (message: SideMessage) => {
      if (message.what === "progress") this.messages = message.messages;
      else this.#told.push(message);
      this.#woken();
    });
  }

  /** What was told so far is of a session that is about to end. */
  forget(): void {
    this.#told.length = 0;
  }

  until<What extends SideMessage["what"]>(
    what: What,
  ): Promise<Extract<SideMessage, { readonly what: What }>> {
    return this.#untilFound(what, () => {
      const at = this.#told.findIndex((message) => message.what === what);
      if (at < 0) return undefined;
      const [found] = this.#told.splice(0, at + 1).slice(-1);
      return found as Extract<SideMessage, { readonly what: What }>;
    });
  }

  /** Messages of this session come back. */
  async untilProgress(): Promise<void> {
    this.messages = 0;
    await this.#untilFound("progress", () => (this.messages > 0 ? true : undefined));
  }

  async untilLost(): Promise<void> {
    const { report } = await this.until("lost");
    assert.deepEqual({ inFlight: report.inFlight, wrong: report.wrong }, { inFlight: 0, wrong: [] });
  }

  async #untilFound<T>(what: string, find: () => T | undefined): Promise<T> {
    const endMs = performance.now() + PATIENCE_MS;
    for (let found = find(); ; found = find()) {
      if (found !== undefined) return found;
      const leftMs = endMs - performance.now();
      assert(leftMs > 0, `the guest does not tell of ${what}; it told ${JSON.stringify(this.#told)}`);
      assert.equal(this.process.exitCode, null, `the guest ended before it told of ${what}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(leftMs, 1_000));
        this.#woken = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

async function killed(child: ChildProcess): Promise<void> {
  assert.equal(child.exitCode, null, "it ran until it was killed");
  child.kill("SIGKILL");
  await once(child, "exit");
}

function start(argv: readonly string[], more: readonly (number | "ipc")[]): ChildProcess {
  return spawn(process.execPath, argv, { stdio: ["ignore", "ignore", "inherit", ...more] });
}

function script(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
