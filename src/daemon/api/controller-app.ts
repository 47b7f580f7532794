import { Type } from "@sinclair/typebox";
import type { Controlling } from "../controller/controlling.ts";
import type { Log } from "../log.ts";
import { VERSION } from "../version.ts";
import { bareApp } from "./app.ts";
import type { Answerer } from "./control-server.ts";
import { answers } from "./documents/document.ts";

const Hex4 = Type.String({ pattern: "^[0-9a-f]{4}$" });
const Text = Type.String({ minLength: 1, maxLength: 4096 });

const Device = Type.Object({
  name: Type.String(),
  source: Type.String(),
  port: Type.Optional(Type.Integer()),
  vid: Type.Optional(Hex4),
  pid: Type.Optional(Hex4),
  speed: Type.Optional(Type.String()),
  note: Type.Optional(Type.String()),
});

const ControllerState = Type.Object({
  role: Type.Literal("controller"),
  version: Type.String(),
  /** Whether a VM has it. */
  connected: Type.Boolean(),
  devices: Type.Array(Device),
});

/** What has passed between VMs and devices since the start; see controller-client.ts. */
const Traffic = Type.Object({
  answered: Type.Integer(),
  posted: Type.Integer(),
  interrupts: Type.Integer(),
  transfers: Type.Integer(),
});

const PlugRequest = Type.Object(
  { device: Text, force: Type.Optional(Type.Boolean()) },
  { additionalProperties: false },
);
const UnplugRequest = Type.Object({ device: Text }, { additionalProperties: false });

/** What answers for the controller of a VM (docs/controller.md). */
export async function controllerApp(controlling: Controlling, log: Log): Promise<Answerer> {
  const { devices } = controlling;
  const app = bareApp(log);
  app.get("/v1/state", { schema: { response: answers(ControllerState, "Everything.") } }, () => ({
    role: "controller" as const,
    version: VERSION,
    connected: controlling.isConnected,
    devices: devices.list(),
  }));
  app.get(
    "/v1/traffic",
    { schema: { response: answers(Traffic, "Accesses to registers, interrupts and transfers.") } },
    () => controlling.traffic,
  );
  app.post(
    "/v1/devices",
    {
      schema: { body: PlugRequest, response: answers(Device, "It is plugged in, or will be when it comes.") },
    },
    (request) => devices.plug(request.body.device, request.body.force),
  );
  app.post(
    "/v1/unplug",
    { schema: { body: UnplugRequest, response: answers(Device, "It is taken away.") } },
    (request) => devices.unplug(request.body.device),
  );
  await app.ready();
  return (request, response) => app.routing(request, response);
}
