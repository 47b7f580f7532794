import { Type } from "@sinclair/typebox";
import { GADGET_KINDS } from "../../gadgets/catalog.ts";
import { listImages } from "../backing/image-folder.ts";
import { sharedSubject } from "../capture/capture-subject.ts";
import { deviceDescription } from "../device-description.ts";
import type { HostControl } from "../host-control.ts";
import { VERSION } from "../version.ts";
import type { ApiLimits } from "./api-limits.ts";
import { addCaptureRoute } from "./capture-route.ts";
import { Device } from "./documents/device.ts";
import { answers, type Given, Nothing } from "./documents/document.ts";
import {
  BusIdPath,
  GadgetKinds,
  Images,
  ImagesQuery,
  Plugged,
  PlugRequest,
  Typed,
  TypeRequest,
} from "./documents/gadget.ts";
import { type HostState, type RealDevices, Reloaded, Session, SessionPath } from "./documents/host.ts";
import { Refusal } from "./refusal.ts";
import type { Routes } from "./routes.ts";

/** What a host answers. */
export function addHostRoutes(routes: Routes, host: HostControl, limits: ApiLimits): void {
  const tags = ["host"];
  routes.get(
    "/v1/devices",
    {
      schema: {
        tags,
        operationId: "devices",
        summary: "Devices of this host",
        response: answers(Type.Array(Device), "Real devices, shared or not, and gadgets."),
      },
    },
    async () => {
      await host.hardware.look();
      return namedDevices(host);
    },
  );
  addCaptureRoute(
    routes,
    {
      path: "/v1/devices/:busid/capture",
      tag: "host",
      operationId: "capture",
      params: BusIdPath,
      find: ({ busid }) => {
        const shared = host.exports.find(busid);
        if (shared === undefined) {
          throw new Refusal(
            "NOT_FOUND",
            `no shared device has the bus id ${busid}. \`usbferry list\` shows them.`,
          );
        }
        return sharedSubject(shared, () => host.exports.find(busid) !== shared);
      },
    },
    limits,
  );
  routes.get(
    "/v1/sessions",
    {
      schema: {
        tags,
        operationId: "sessions",
        summary: "Connections of guests",
        response: answers(Type.Array(Session), "With a device or without one yet."),
      },
    },
    () => host.sessions.sessions(),
  );
  routes.delete(
    "/v1/sessions/:id",
    {
      schema: {
        tags,
        operationId: "kick",
        summary: "Cut a session",
        params: SessionPath,
        response: answers(Session, "It is over, with the code KICKED."),
      },
    },
    async (request) => {
      const kicked = await host.sessions.kick(request.params.id);
      if (kicked === undefined)
        throw new Refusal(
          "NOT_FOUND",
          `there is no session ${request.params.id}. \`usbferry state\` lists them.`,
        );
      return kicked;
    },
  );
  routes.post(
    "/v1/gadgets",
    {
      schema: {
        tags,
        operationId: "plug",
        summary: "Plug a gadget in",
        body: PlugRequest,
        response: answers(Plugged, "It is shared."),
      },
    },
    (request) => host.gadgets.plug(request.body.gadget),
  );
  routes.get(
    "/v1/gadgets/kinds",
    {
      schema: {
        tags,
        operationId: "gadgetKinds",
        summary: "Kinds of gadget and their options",
        response: answers(GadgetKinds, "What may be plugged in."),
      },
    },
    () => ({ kinds: GADGET_KINDS }),
  );
  routes.get(
    "/v1/images",
    {
      schema: {
        tags,
        operationId: "images",
        summary: "Files of a folder of this machine that a disk can have",
        querystring: ImagesQuery,
        response: answers(Images, "Whether the host may open them is seen when it does."),
      },
    },
    (request) => listImages(request.query.folder),
  );
  routes.post(
    "/v1/gadgets/:busid/text",
    {
      schema: {
        tags,
        operationId: "type",
        summary: "Type a text on a keyboard that a guest has",
        params: BusIdPath,
        body: TypeRequest,
        response: answers(Typed, "The guest reads it."),
      },
    },
    async (request) => {
      const { busid } = request.params;
      const { text } = request.body;
      if (!(await host.gadgets.type(busid, text))) throw noGadget();
      return { busid, keys: text.length };
    },
  );
  routes.delete(
    "/v1/gadgets/:busid",
    {
      schema: {
        tags,
        operationId: "unplug",
        summary: "Unplug a gadget, also from who has it",
        params: BusIdPath,
        response: answers(Plugged, "It is gone."),
      },
    },
    async (request) => {
      const { busid } = request.params;
      if (!(await host.gadgets.unplug(busid))) throw noGadget();
      return { busid };
    },
  );
  routes.post(
    "/v1/reload",
    {
      schema: {
        tags,
        operationId: "reload",
        summary: "Read the configuration again",
        body: Nothing,
        response: answers(Reloaded, "It is in force."),
      },
    },
    async () => {
      const { changed, restart } = await host.reload();
      return { changed: [...changed], restart: [...restart] };
    },
  );
}

function noGadget(): Refusal {
  return new Refusal("NOT_FOUND", "no gadget has this bus id. `usbferry list` shows them.");
}

export async function hostState(host: HostControl): Promise<Given<typeof HostState.static>> {
  await host.hardware.look();
  const named = namedDevices(host);
  return {
    role: "host",
    version: VERSION,
    pid: process.pid,
    since: host.since,
    sequence: host.events.last,
    addresses: host.addresses,
    guests: host.guests,
    devices: named instanceof Promise ? await named : named,
    binds: host.hardware.wanted(),
    sessions: host.sessions.sessions(),
    rules: await host.rules.list(),
    stateFolder: host.stateFolder,
    usb: realDevices(host),
    ring: host.ring,
  };
}

function realDevices({ usb, hardware }: HostControl): Given<typeof RealDevices.static> {
  const { name, version } = usb;
  return {
    backend: name,
    ...(version !== undefined && { version }),
    arrivals: hardware.arrivals ?? "unknown",
  };
}

/** The same as `devicesOf`, with what the list of USB IDs calls them. */
function namedDevices(
  host: HostControl,
): Given<typeof Device.static>[] | Promise<Given<typeof Device.static>[]> {
  const devices = devicesOf(host);
  const named = (): Given<typeof Device.static>[] =>
    devices.map((device) => {
      const name = host.hardware.nameOf(device);
      return name === undefined ? device : Object.assign(device, { name });
    });
  // Clients that ask without end and read no answer keep all of what each request waits for.
  return host.hardware.learnNames(devices)?.then(named) ?? named();
}

/** Real devices and gadgets. */
export function devicesOf(host: HostControl): Given<typeof Device.static>[] {
  const sessions = new Map(host.sessions.sessions().map((session) => [session.device?.busid, session]));
  const holder = (busid: string, state: string): Pick<typeof Device.static, "session" | "peer"> => {
    const session = state === "attached" ? sessions.get(busid) : undefined;
    return session === undefined ? {} : { session: session.id, peer: session.peer };
  };
  const hardware = Array.from(host.hardware.list(), (device) => ({
    ...device,
    ...holder(device.busid, device.state),
  }));
  const others = Array.from(host.exports.devices()).filter(({ busid }) => !host.hardware.has(busid));
  const gadgets = Array.from(others, ({ busid, device, attached }) => {
    const state = attached ? ("attached" as const) : ("free" as const);
    const gadget = host.gadgets.kindOf(busid);
    return {
      ...deviceDescription(busid, device),
      ...(gadget !== undefined && { gadget }),
      state,
      ...holder(busid, state),
    };
  });
  return [...hardware, ...gadgets];
}
