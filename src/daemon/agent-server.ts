import { setTimeout as sleep } from "node:timers/promises";
import { Vhci } from "../vhci/vhci.ts";
import { Agent } from "./agent.ts";
import type { ControlPlace } from "./api/control-place.ts";
import { ControlServer } from "./api/control-server.ts";
import { EventLog } from "./event-log.ts";
import { LibuvLoop } from "./libuv-loop.ts";
import type { Log } from "./log.ts";
import { pinRingThread, type RingThreadChoice, ringThread } from "./ring/ring-thread.ts";
import { openWishes } from "./state/open-wishes.ts";
import type { StateFolder } from "./state/state-folder.ts";
import { Trust } from "./trust.ts";

/** An agent with nothing to keep ends; it starts in half a second when it is wanted again. */
const IDLE_MS = 30_000;
const IDLE_LOOK_MS = 1_000;
/** One that keeps something sleeps. */
const BUSY_LOOK_MS = 60_000;

export interface AgentRequest {
  readonly places: readonly ControlPlace[];
  readonly group: string | undefined;
  /** Where wishes are kept. */
  readonly folder: StateFolder;
  readonly ring?: RingThreadChoice;
}

/** An agent and its control API. */
export class AgentServer {
  readonly #agent: Agent;
  readonly #control: ControlServer;
  readonly #closeWishes: () => Promise<void>;

  private constructor(agent: Agent, control: ControlServer, closeWishes: () => Promise<void>) {
    this.#agent = agent;
    this.#control = control;
    this.#closeWishes = closeWishes;
  }

  /** Rejects with a LinkError, WrongUsage, AccessDenied or Failed. */
  static async start(
    { places, group, folder, ring: choice = {} }: AgentRequest,
    log: Log,
    vhci = new Vhci(),
  ): Promise<AgentServer> {
    const ring = ringThread(choice);
    let begin!: (agent: Agent) => void;
    const begun = new Promise<Agent>((resolve) => {
      begin = resolve;
    });
    // Before the wishes: of two agents that start at once, the one that will be asked has them.
    const control = await ControlServer.start({
      role: "agent",
      places,
      group,
      load: async () => (await import("./api/agent-app.ts")).agentApp(await begun, log),
    });
    try {
      const { wishes, close } = await openWishes(folder, log);
      pinRingThread(ring);
      const loop = new LibuvLoop(ring.lookUs / 1_000);
      const agent = new Agent(vhci, loop, log, new EventLog(), wishes, new Trust(folder), ring);
      await agent.takeUpWishes();
      begin(agent);
      return new AgentServer(agent, control, close);
    } catch (error) {
      control.stop();
      throw error;
    }
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
      const lookMs = this.#agent.isIdle ? IDLE_LOOK_MS : BUSY_LOOK_MS;
      // oxlint-disable-next-line no-await-in-loop -- a look at the clock
      await sleep(lookMs, undefined, { signal }).catch(() => {});
      const isIdle = this.#agent.isIdle && this.#control.connections === 0;
      idleMs = isIdle ? idleMs + IDLE_LOOK_MS : 0;
    }
  }

  /** Detaches everything; the wishes stay. */
  async stop(): Promise<void> {
    this.#agent.endWaiting();
    // Before the place of the API is free for the next agent.
    await this.#closeWishes();
    this.#control.refuseNew();
    await this.#agent.stop();
    this.#control.stop();
  }
}
