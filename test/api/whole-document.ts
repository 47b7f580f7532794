import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { Agent } from "../../src/daemon/agent.ts";
import { addAgentRoutes } from "../../src/daemon/api/agent-routes.ts";
import { buildApp } from "../../src/daemon/api/app.ts";
import { addBindRoutes } from "../../src/daemon/api/bind-routes.ts";
import { addHostRoutes } from "../../src/daemon/api/host-routes.ts";
import { addNicknameRoutes } from "../../src/daemon/api/nickname-routes.ts";
import { addRulesRoutes } from "../../src/daemon/api/rules-routes.ts";
import { EventLog } from "../../src/daemon/event-log.ts";
import { ExportTable } from "../../src/daemon/export-table.ts";
import { GadgetRack } from "../../src/daemon/gadget-rack.ts";
import { HardwareRack } from "../../src/daemon/hardware/hardware-rack.ts";
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import { RULES, RuleBook } from "../../src/daemon/rules/rule-book.ts";
import { SessionRegistry } from "../../src/daemon/session-registry.ts";
import { BINDS, BindList } from "../../src/daemon/state/binds.ts";
import { KeptNicknames } from "../../src/daemon/state/kept-nicknames.ts";
import { StateFolder } from "../../src/daemon/state/state-folder.ts";
import { WISHES, WishList } from "../../src/daemon/state/wishes.ts";
import type { HardwareDevice } from "../../src/hardware/hardware-device.ts";
import { UsbfsDevice } from "../../src/hardware/usbfs/usbfs-device.ts";
import { Vhci } from "../../src/vhci/vhci.ts";

export const DOCUMENT_PATH = fileURLToPath(new URL("../../../docs/openapi.json", import.meta.url));

/** What no document needs. */
function unasked(): Promise<never> {
  return Promise.reject(new Error("nobody asks"));
}

/** The OpenAPI document of a host and an agent in one. */
export async function wholeDocument(): Promise<string> {
  const log = { info() {}, warn() {} };
  const loop = new LibuvLoop();
  const events = new EventLog();
  const exports = new ExportTable(events);
  const sessions = new SessionRegistry(events);
  const gadgets = new GadgetRack(exports, loop, log, () => undefined);
  const agent = new Agent(
    new Vhci(),
    loop,
    log,
    events,
    new WishList({ value: WISHES.empty, change: unasked }),
  );
  const rules = new RuleBook({ value: RULES.empty, change: unasked });
  const binds = new BindList({ value: BINDS.empty, change: unasked });
  const roots = { sysfs: "", dev: "", proc: "" };
  const around = {
    exports,
    sessions,
    events,
    rules,
    binds,
    loop,
    log,
    roots,
    source: (device: HardwareDevice) => new UsbfsDevice(device),
  };
  const host = {
    hardware: new HardwareRack(around),
    since: "",
    addresses: [],
    guests: [],
    exports,
    sessions,
    events,
    gadgets,
    rules,
    nicknames: new KeptNicknames(new StateFolder("/nonexistent")),
    usb: { name: "usbfs" as const },
    ring: { lookUs: 0 },
    stateFolder: "",
    reload: unasked,
  };
  const app = await buildApp(
    {
      role: "agent",
      since: "",
      events,
      log,
      ledger: agent.ledger,
      carried: () => [],
      gauges: () => [],
      checks: unasked,
      state: () => ({ role: "agent", version: "", since: "", sequence: 0, ...agent.state }),
    },
    (routes, limits) => {
      addHostRoutes(routes, host, limits);
      addBindRoutes(routes, host.hardware);
      addRulesRoutes(routes, rules);
      addNicknameRoutes(routes, host.nicknames);
      addAgentRoutes(routes, agent, limits);
    },
  );
  const server = createServer((request, response) => app.routing(request, response)).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  const document = (await (await fetch(`http://127.0.0.1:${port}/openapi.json`)).json()) as object;
  server.closeAllConnections();
  server.close();
  return `${JSON.stringify(document, undefined, 2)}\n`;
}
