import type { Agent } from "../agent.ts";
import type { Log } from "../log.ts";
import { addAgentRoutes, agentDocument } from "./agent-routes.ts";
import { buildApp } from "./app.ts";
import type { Answerer } from "./control-server.ts";

/** What answers for an agent. */
export async function agentApp(agent: Agent, log: Log): Promise<Answerer> {
  const watched = {
    events: agent.events,
    log,
    carried: () => agent.carried(),
    state: () => agentDocument(agent),
  };
  const app = await buildApp(watched, (routes, limits) => addAgentRoutes(routes, agent, limits));
  return (request, response) => app.routing(request, response);
}
