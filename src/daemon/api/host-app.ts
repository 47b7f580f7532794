import type { HostControl } from "../host-control.ts";
import type { Log } from "../log.ts";
import { buildApp } from "./app.ts";
import { addBindRoutes } from "./bind-routes.ts";
import type { Answerer } from "./control-server.ts";
import { addHostRoutes, hostState } from "./host-routes.ts";
import { addRulesRoutes } from "./rules-routes.ts";

/** What answers for a host. */
export async function hostApp(host: HostControl, log: Log): Promise<Answerer> {
  const watched = { events: host.events, log, state: () => hostState(host) };
  const app = await buildApp(watched, (routes, limits) => {
    addHostRoutes(routes, host, limits);
    addBindRoutes(routes, host.hardware);
    addRulesRoutes(routes, host.rules);
  });
  return (request, response) => app.routing(request, response);
}
