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

/** How long an agent may take to listen; node starts in a tenth of a second, under emulation in two. */
const START_MS = 15_000;
const POLL_MS = 25;

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
  const link = (await reachAgent()) ?? (await startAgent(command));
  return converse(link, question, expected, signal);
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
      () => reject(new Failed("the agent ended before it answered. Its log is agent.log beside its socket.")),
    );
    signal?.addEventListener("abort", () => link.destroy(), { once: true });
    link.write([documentLine(question)], () => {});
  });
}
