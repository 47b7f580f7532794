import type { HardwareRack } from "../hardware/hardware-rack.ts";
import { answers } from "./documents/document.ts";
import { BindRequest, Binds, Bound, UnbindRequest, Unbound } from "./documents/host.ts";
import type { Routes } from "./routes.ts";

/** Which real devices are shared. */
export function addBindRoutes(routes: Routes, hardware: HardwareRack): void {
  const tags = ["host"];
  routes.get(
    "/v1/binds",
    {
      schema: {
        tags,
        operationId: "binds",
        summary: "Real devices that are to be shared, plugged in or not",
        response: answers(Binds, "Those that are bound, and those that the host was told to share."),
      },
    },
    () => ({ binds: hardware.wanted(), warnings: hardware.warnings() }),
  );
  routes.post(
    "/v1/bind",
    {
      schema: {
        tags,
        operationId: "bind",
        summary: "Share a real device from now on",
        body: BindRequest,
        response: answers(Bound, "It is shared, and is after a restart."),
      },
    },
    (request) => hardware.bind(request.body.device, request.body.force ?? false),
  );
  routes.post(
    "/v1/unbind",
    {
      schema: {
        tags,
        operationId: "unbind",
        summary: "Share a real device no longer, or none",
        description: "A session that has it ends, and the drivers of this machine have it back.",
        body: UnbindRequest,
        response: answers(Unbound, "They are not bound any more."),
      },
    },
    async (request) => {
      const { device } = request.body;
      return { unbound: await (device === undefined ? hardware.unbindAll() : hardware.unbind(device)) };
    },
  );
}
