import { gauge } from "../figures/metrics.ts";
import { HARDWARE_STATES } from "../hardware/hardware-state.ts";
import type { HostControl } from "../host-control.ts";
import type { Log } from "../log.ts";
import { buildApp } from "./app.ts";
import { addBindRoutes } from "./bind-routes.ts";
import type { Answerer } from "./control-server.ts";
import { addHostRoutes, devicesOf, hostState } from "./host-routes.ts";
import { addNicknameRoutes } from "./nickname-routes.ts";
import { addRulesRoutes } from "./rules-routes.ts";
import type { Watched } from "./watched.ts";

/** What answers for a host. */
export async function hostApp(host: HostControl, log: Log): Promise<Answerer> {
  const app = await buildApp(watchedHost(host, log), (routes, limits) => {
    addHostRoutes(routes, host, limits);
    addBindRoutes(routes, host.hardware);
    addRulesRoutes(routes, host.rules);
    addNicknameRoutes(routes, host.nicknames);
  });
  return (request, response) => app.routing(request, response);
}

function watchedHost(host: HostControl, log: Log): Watched {
  const { events, since, sessions } = host;
  return {
    role: "host",
    since,
    events,
    log,
    ledger: sessions.ledger,
    carried: () => sessions.carried(),
    state: () => hostState(host),
    gauges: () => hostGauges(host),
    checks: async () => [
      {
        name: "the thread of simulated devices answers",
        ...(!(await host.gadgets.answers()) && {
          trouble:
            "the thread that carries simulated devices does not answer: it is stuck. Look at the log, then start the host again.",
        }),
      },
    ],
  };
}

function hostGauges(host: HostControl) {
  const devices = devicesOf(host);
  const states = HARDWARE_STATES.map((state) => ({
    labels: { state },
    value: devices.filter((device) => device.state === state).length,
  }));
  return [
    gauge("usbferry_sessions", "Connections of guests, and each device of such as may have several.", [
      { value: host.sessions.sessions().length },
    ]),
    gauge("usbferry_devices", "Devices of a host, by state.", states),
  ];
}
