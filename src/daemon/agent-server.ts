import { chmodSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Link } from "../links/link.ts";
import { listen } from "../links/listen.ts";
import type { Listener } from "../links/listener.ts";
import { Vhci } from "../vhci/vhci.ts";
import { Agent } from "./agent.ts";
import { type AgentAnswer, type AgentQuestion, DocumentLines, documentLine } from "./agent-protocol.ts";
import { AGENT_STOPPED } from "./attachment.ts";
import { Failed, failureKind } from "./failure.ts";
import { LibuvLoop } from "./libuv-loop.ts";
import type { Log } from "./log.ts";

/** An agent with nothing to keep ends; it starts in half a second when it is wanted again. */
const IDLE_MS = 30_000;
const IDLE_LOOK_MS = 1_000;

/** Answers the questions of commands. */
export class AgentServer {
  readonly #agent: Agent;
  readonly #links = new Set<Link>();
  #listener: Listener | undefined;

  private constructor(log: Log) {
    this.#agent = new Agent(new Vhci(), new LibuvLoop(), log);
  }

  /** Listens for commands at a unix socket; rejects with a LinkError. */
  static async start(path: string, log: Log): Promise<AgentServer> {
    const folder = dirname(path);
    if (mkdirSync(folder, { recursive: true }) !== undefined) chmodSync(folder, 0o750);
    const server = new AgentServer(log);
    server.#listener = await listen({ kind: "unix", path }, (link) => server.#accept(link));
    return server;
  }

  /** Resolves when nothing was attached, waited for or asked for some time, or the signal is given. */
  async untilIdle(signal: AbortSignal): Promise<void> {
    let idleMs = 0;
    while (!signal.aborted && idleMs < IDLE_MS) {
      // oxlint-disable-next-line no-await-in-loop -- a look at the clock
      await sleep(IDLE_LOOK_MS, undefined, { signal }).catch(() => {});
      idleMs = this.#agent.isIdle && this.#links.size === 0 ? idleMs + IDLE_LOOK_MS : 0;
    }
  }

  /** Detaches everything. */
  async stop(): Promise<void> {
    this.#listener?.close();
    await this.#agent.detachAll(AGENT_STOPPED);
    for (const link of this.#links) link.destroy();
  }

  #accept(link: Link): void {
    const cancel = new AbortController();
    const lines = new DocumentLines((question) => void this.#answer(link, question, cancel.signal));
    this.#links.add(link);
    link.start(
      (bytes) => {
        if (!lines.receive(bytes)) link.destroy();
      },
      () => {
        this.#links.delete(link);
        cancel.abort();
      },
    );
  }

  async #answer(link: Link, question: unknown, signal: AbortSignal): Promise<void> {
    let answer: AgentAnswer;
    try {
      answer = await this.#carryOut(question as AgentQuestion, signal);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      answer = { answer: "failure", kind: failureKind(error), message };
    }
    link.write([documentLine(answer)], () => {});
    link.end();
  }

  async #carryOut(question: AgentQuestion, signal: AbortSignal): Promise<AgentAnswer> {
    switch (question.ask) {
      case "attach":
        return {
          answer: "attached",
          device: await this.#agent.attach(question.address, question.device, signal),
        };
      case "wait":
        return {
          answer: "attached",
          device: await this.#agent.wait(question.address, question.device, signal),
        };
      case "detach": {
        const { port } = question;
        return { answer: "detached", ports: (await this.#agent.detach(port)) ? [port] : [] };
      }
      case "detach-all":
        return { answer: "detached", ports: await this.#agent.detachAll() };
      case "state":
        return { answer: "state", state: this.#agent.state };
      default:
        throw new Failed(
          "the agent is of another version: end it with `usbferry detach --all` and try again.",
        );
    }
  }
}
