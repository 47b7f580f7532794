import { setTimeout as sleep } from "node:timers/promises";
import { Vhci } from "../vhci/vhci.ts";
import { Agent } from "./agent.ts";
import type { ControlPlace } from "./api/control-place.ts";
import { ControlServer } from "./api/control-server.ts";
import { AGENT_STOPPED } from "./attachment.ts";
import { EventLog } from "./event-log.ts";
import { LibuvLoop } from "./libuv-loop.ts";
import type { Log } from "./log.ts";

/** An agent with nothing to keep ends; it starts in half a second when it is wanted again. */
const IDLE_MS = 30_000;
const IDLE_LOOK_MS = 1_000;

/** An agent and its control API. */
export class AgentServer {
  readonly #agent: Agent;
  readonly #control: ControlServer;

  private constructor(agent: Agent, control: ControlServer) {
    this.#agent = agent;
    this.#control = control;
  }

  /** Rejects with a LinkError, WrongUsage, AccessDenied or Failed. */
  static async start(
    places: readonly ControlPlace[],
    group: string | undefined,
    log: Log,
  ): Promise<AgentServer> {
    const agent = new Agent(new Vhci(), new LibuvLoop(), log, new EventLog());
    const control = await ControlServer.start({
      role: "agent",
      places,
      group,
      load: async () => (await import("./api/agent-app.ts")).agentApp(agent, log),
    });
    return new AgentServer(agent, control);
  }

  /** Where the token of clients over TCP stands, if any may come. */
  get tokenPath(): string | undefined {
    return this.#control.tokenPath;
  }

  get addresses(): readonly string[] {
    return this.#control.addresses;
  }

  /** Resolves when nothing was attached, waited for or asked for some time, or the signal is given. */
  async untilIdle(signal: AbortSignal): Promise<void> {
    let idleMs = 0;
    while (!signal.aborted && idleMs < IDLE_MS) {
      // oxlint-disable-next-line no-await-in-loop -- a look at the clock
      await sleep(IDLE_LOOK_MS, undefined, { signal }).catch(() => {});
      const isIdle = this.#agent.isIdle && this.#control.connections === 0;
      idleMs = isIdle ? idleMs + IDLE_LOOK_MS : 0;
    }
  }

  /** Detaches everything. */
  async stop(): Promise<void> {
    this.#control.refuseNew();
    await this.#agent.detachAll(AGENT_STOPPED);
    this.#control.stop();
  }
}
