import { spawn } from "node:child_process";
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { linkError } from "../links/link-error.ts";
import { askDaemon, DaemonGone, type Question } from "./api/control-client.ts";
import { agentSocket } from "./api/control-place.ts";
import { Failed } from "./failure.ts";

/** How long an agent may take to listen: half a second, on a busy machine under emulation half a minute. */
const START_MS = 60_000;
const POLL_MS = 25;
/** An agent that is being ended may still take connections for a moment, and answer none. */
const TRIES = 5;
const RETRY_MS = 200;

/** Asks the agent if one runs; nothing if none does. Rejects with what the agent had to reject. */
export function askAgent<T>(question: Question, signal?: AbortSignal): Promise<T | undefined> {
  return askDaemon<T>({ kind: "unix", path: agentSocket() }, "agent", question, signal);
}

/** Asks the agent, after starting one if none runs. `command` runs it, as an argument vector. */
export async function askOrStartAgent<T>(
  command: readonly string[],
  question: Question,
  signal?: AbortSignal,
): Promise<T> {
  let agent: StartingAgent | undefined;
  for (let tries = 1; ; ) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- asked again until it listens
      const answer = await askAgent<T>(question, signal);
      if (answer !== undefined) return answer;
      agent ??= StartingAgent.start(command);
      // oxlint-disable-next-line no-await-in-loop
      await agent.wait();
    } catch (error) {
      // What it had begun has ended with it, so asking again does nothing twice.
      if (!(error instanceof DaemonGone) || signal?.aborted === true || tries === TRIES) throw error;
      tries++;
      agent = undefined;
      // oxlint-disable-next-line no-await-in-loop
      await sleep(RETRY_MS);
    }
  }
}

/** An agent of ours that does not listen yet. */
class StartingAgent {
  readonly #logPath: string;
  /** Where in the log its own lines begin. */
  readonly #logStart: number;
  readonly #endMs = performance.now() + START_MS;
  #ended = false;
  #isLast = false;

  private constructor(logPath: string, logStart: number) {
    this.#logPath = logPath;
    this.#logStart = logStart;
  }

  static start([program, ...argv]: readonly string[]): StartingAgent {
    const logPath = join(dirname(agentSocket()), "agent.log");
    const log = openLog(logPath);
    const starting = new StartingAgent(logPath, fstatSync(log).size);
    const agent = spawn(program!, argv, { detached: true, stdio: ["ignore", log, log], cwd: "/" });
    const ended = (): void => {
      starting.#ended = true;
    };
    agent.once("error", ended);
    agent.once("exit", ended);
    closeSync(log);
    agent.unref();
    return starting;
  }

  /** Until it is worth asking again. Rejects when it has ended, and nobody listened after that either. */
  async wait(): Promise<void> {
    if (this.#isLast) {
      const lines = readFileSync(this.#logPath).subarray(this.#logStart).toString().trim();
      const said = lines === "" ? "" : `, and said: ${lines.split("\n").at(-1)}`;
      const what = this.#ended ? "it ended" : `it does not listen after ${START_MS / 1_000} s`;
      throw new Failed(`the agent did not start: ${what}${said}. Run \`usbferry agent\` to see why.`);
    }
    await sleep(POLL_MS);
    // One that ended may have made way for another's: there is one more look.
    this.#isLast = this.#ended || performance.now() > this.#endMs;
  }
}

function openLog(path: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
    return openSync(path, "a", 0o640);
  } catch (error) {
    throw linkError("listen", `the agent's socket ${agentSocket()}`, error as NodeJS.ErrnoException);
  }
}
