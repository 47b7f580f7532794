import type { Agent } from "../agent.ts";
import { gauge } from "../figures/metrics.ts";
import type { Log } from "../log.ts";
import { addAgentRoutes, agentDocument } from "./agent-routes.ts";
import { buildApp } from "./app.ts";
import type { Answerer } from "./control-server.ts";
import type { Watched } from "./watched.ts";

/** What answers for an agent. */
export async function agentApp(agent: Agent, log: Log): Promise<Answerer> {
  const app = await buildApp(watchedAgent(agent, log), (routes, limits) =>
    addAgentRoutes(routes, agent, limits),
  );
  return (request, response) => app.routing(request, response);
}

function watchedAgent(agent: Agent, log: Log): Watched {
  const { events, since, ledger } = agent;
  return {
    role: "agent",
    since,
    events,
    log,
    ledger,
    carried: () => agent.carried(),
    state: () => agentDocument(agent),
    gauges: () => agentGauges(agent),
    checks: async () => {
      const { obstacle } = agent;
      return [
        {
          name: "the kernel takes devices",
          ...(obstacle !== undefined && { trouble: obstacle.message }),
        },
      ];
    },
  };
}

function agentGauges(agent: Agent) {
  const { devices, waiting, wishes } = agent.state;
  const states = (["waiting", "attaching", "attached"] as const).map((state) => ({
    labels: { state },
    value: wishes.filter((wish) => wish.state === state).length,
  }));
  return [
    gauge("usbferry_attached_devices", "Devices that the agent has given to this kernel.", [
      { value: devices.length },
    ]),
    gauge("usbferry_waiting", "Places where hosts that dial in are waited for.", [{ value: waiting.length }]),
    gauge("usbferry_wishes", "Devices that are kept attached, by what has become of that.", states),
  ];
}
