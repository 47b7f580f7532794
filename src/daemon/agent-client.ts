import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { dial } from "../links/dial.ts";
import type { Link } from "../links/link.ts";
import { LinkError, linkError } from "../links/link-error.ts";
import {
  type AgentAnswer,
  type AgentQuestion,
  agentSocket,
  DocumentLines,
  documentLine,
  failureOf,
} from "./agent-protocol.ts";
import { Failed } from "./failure.ts";

/** How long an agent may take to listen: half a second, on a busy machine under emulation half a minute. */
const START_MS = 60_000;
const POLL_MS = 25;
/** An agent that is being ended may still take connections for a moment, and answer none. */
const TRIES = 5;
const RETRY_MS = 200;

/** The agent ended without an answer. */
class AgentGone extends Failed {}

type Answer<A extends AgentAnswer["answer"]> = Extract<AgentAnswer, { readonly answer: A }>;

/** Asks the agent if one runs; nothing if none does. Rejects with what the agent had to reject. */
export async function askAgent<A extends AgentAnswer["answer"]>(
  question: AgentQuestion,
  expected: A,
  signal?: AbortSignal,
): Promise<Answer<A> | undefined> {
  const link = await reachAgent();
  return link === undefined ? undefined : converse(link, question, expected, signal);
}

/** Asks the agent, after starting one if none runs. `command` runs it, as an argument vector. */
export async function askOrStartAgent<A extends AgentAnswer["answer"]>(
  command: readonly string[],
  question: AgentQuestion,
  expected: A,
  signal?: AbortSignal,
): Promise<Answer<A>> {
  for (let tries = 1; ; tries++) {
    // oxlint-disable no-await-in-loop -- one agent after the other
    const link = (await reachAgent()) ?? (await startAgent(command));
    try {
      return await converse(link, question, expected, signal);
    } catch (error) {
      // What it had begun has ended with it, so asking again does nothing twice.
      if (!(error instanceof AgentGone) || signal?.aborted === true || tries === TRIES) throw error;
      await sleep(RETRY_MS);
    }
    // oxlint-enable no-await-in-loop
  }
}

async function reachAgent(): Promise<Link | undefined> {
  try {
    return await dial({ kind: "unix", path: agentSocket() });
  } catch (error) {
    if (error instanceof LinkError && (error.code === "ECONNREFUSED" || error.code === "ENOENT"))
      return undefined;
    throw error;
  }
}

async function startAgent(command: readonly string[]): Promise<Link> {
  const logPath = join(dirname(agentSocket()), "agent.log");
  const log = openLog(logPath);
  const [program, ...argv] = command;
  const agent = spawn(program!, argv, { detached: true, stdio: ["ignore", log, log], cwd: "/" });
  let ended = false;
  agent.once("error", () => {
    ended = true;
  });
  agent.once("exit", () => {
    ended = true;
  });
  closeSync(log);
  agent.unref();
  const endMs = performance.now() + START_MS;
  for (;;) {
    // The look at the agent comes first: one that ended may have made way for another's.
    const isLast = ended || performance.now() > endMs;
    // oxlint-disable-next-line no-await-in-loop -- asked again until it listens
    const link = await reachAgent();
    if (link !== undefined) return link;
    if (isLast) {
      const said = readFileSync(logPath, "utf8").trim().split("\n").at(-1) ?? "";
      throw new Failed(
        `the agent did not start: ${said || "it said nothing"}. Run \`usbferry agent\` to see why.`,
      );
    }
    // oxlint-disable-next-line no-await-in-loop
    await sleep(POLL_MS);
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

function converse<A extends AgentAnswer["answer"]>(
  link: Link,
  question: AgentQuestion,
  expected: A,
  signal: AbortSignal | undefined,
): Promise<Answer<A>> {
  return new Promise((resolve, reject) => {
    const lines = new DocumentLines((document) => {
      const answer = document as AgentAnswer;
      if (answer.answer === expected) resolve(answer as Answer<A>);
      else if (answer.answer === "failure") reject(failureOf(answer.kind, answer.message));
    });
    link.start(
      (bytes) => {
        if (!lines.receive(bytes)) link.destroy();
      },
      () =>
        reject(new AgentGone("the agent ended before it answered. Its log is agent.log beside its socket.")),
    );
    signal?.addEventListener("abort", () => link.destroy(), { once: true });
    link.write([documentLine(question)], () => {});
  });
}
