import type { IncomingMessage, ServerResponse } from "node:http";
import type { Agent, Detached } from "../agent.ts";
import { Failed } from "../failure.ts";
import { VERSION } from "../version.ts";
import type { ApiLimits } from "./api-limits.ts";
import { addCaptureRoute } from "./capture-route.ts";
import {
  type AgentState,
  AttachedDevice,
  AttachRequest,
  FreedPorts,
  PortPath,
  Ports,
  WaitRequest,
  WishAnswer,
  WishPath,
  WishRequest,
} from "./documents/attachment.ts";
import { answers, type Given, Nothing } from "./documents/document.ts";
import { Refusal } from "./refusal.ts";
import type { Routes } from "./routes.ts";

/** What an agent answers. */
export function addAgentRoutes(routes: Routes, agent: Agent, limits: ApiLimits): void {
  const { operations } = limits;
  const tags = ["agent"];
  let inWork = 0;

  /** Ends what has been begun when the client goes away before it is done. */
  async function unlessGone<T>(
    request: IncomingMessage,
    response: ServerResponse,
    begin: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    if (inWork >= operations) {
      throw new Refusal(
        "TOO_MANY_CLIENTS",
        `${inWork} devices are being attached or waited for. Wait for one of them, then try again.`,
      );
    }
    const gone = new AbortController();
    const abort = (): void => gone.abort(new Failed("the client that asked has gone."));
    // A pipelined response that never had the socket is not told that it was closed.
    const { socket } = request;
    response.once("close", abort);
    socket.once("close", abort);
    if (socket.destroyed) abort();
    inWork++;
    try {
      return await begin(gone.signal);
    } finally {
      inWork--;
      response.off("close", abort);
      socket.off("close", abort);
    }
  }

  routes.get(
    "/v1/ports",
    {
      schema: {
        tags,
        operationId: "ports",
        summary: "Ports of this kernel that are in use, by whomever",
        response: answers(Ports, "And where hosts are waited for."),
      },
    },
    () => agent.ports(),
  );
  routes.post(
    "/v1/attachments",
    {
      schema: {
        tags,
        operationId: "attach",
        summary: "Give a device of a host to this kernel",
        description:
          "Answers when its device node exists. A client that goes away before takes the request back.",
        body: AttachRequest,
        response: answers(AttachedDevice, "It can be used."),
      },
    },
    (request, reply) => {
      const { address, device } = request.body;
      return unlessGone(request.raw, reply.raw, (signal) => agent.attach(address, device, signal));
    },
  );
  routes.post(
    "/v1/waiting",
    {
      schema: {
        tags,
        operationId: "wait",
        summary: "Wait for hosts that dial in",
        description:
          "Answers when a device is attached that a host brought; the agent goes on to wait, and so does one that is " +
          "started after it, until the device or everything is detached. A client that goes away before takes the request back. " +
          "The same request again joins what is waited for already.",
        body: WaitRequest,
        response: answers(AttachedDevice, "A device can be used."),
      },
    },
    (request, reply) => {
      const { address, device } = request.body;
      return unlessGone(request.raw, reply.raw, (signal) => agent.wait(address, device, signal));
    },
  );
  routes.post(
    "/v1/wishes",
    {
      schema: {
        tags,
        operationId: "keep",
        summary: "Keep a device of a host attached from now on",
        description:
          "Answers when its device node exists, or when it is known that it has to wait, and why: the wish is kept either way, " +
          "also by the agent after this one. A client that goes away before takes it back. The same request again, for " +
          "the same host and first device, puts its other devices and commands in the place of those before.",
        body: WishRequest,
        response: answers(WishAnswer, "It is kept."),
      },
    },
    (request, reply) => unlessGone(request.raw, reply.raw, (signal) => agent.keep(request.body, signal)),
  );
  routes.delete(
    "/v1/wishes/:id",
    {
      schema: {
        tags,
        operationId: "endWish",
        summary: "End a wish, and detach its device",
        params: WishPath,
        response: answers(FreedPorts, "It is forgotten."),
      },
    },
    async (request) => {
      const { id } = request.params;
      const ended = await agent.endWish(id);
      if (ended !== undefined) return ended;
      throw new Refusal(
        "NOT_FOUND",
        `there is no wish ${id}. \`usbferry ports\` shows what is kept attached.`,
      );
    },
  );
  routes.delete(
    "/v1/ports",
    {
      schema: {
        tags,
        operationId: "detachAll",
        summary: "Detach everything that this agent keeps, and wait for no host any more",
        response: answers(FreedPorts, "They are free again."),
      },
    },
    () => agent.detachAll(),
  );
  addCaptureRoute(
    routes,
    {
      path: "/v1/ports/:port/capture",
      tag: "agent",
      operationId: "capturePort",
      params: PortPath,
      find: ({ port }) => {
        const subject = agent.captureSubject(Number(port));
        if (subject === undefined) throw notKept(port);
        return subject;
      },
    },
    limits,
  );
  routes.delete(
    "/v1/ports/:port",
    {
      schema: {
        tags,
        operationId: "detach",
        summary: "Detach a port; a device that dialled in is not taken again, and a wish for it ends",
        params: PortPath,
        response: answers(FreedPorts, "It is free again."),
      },
    },
    (request) => freed(request.params.port, (port) => agent.detach(port)),
  );
  routes.post(
    "/v1/ports/:port/kick",
    {
      schema: {
        tags,
        operationId: "kickPort",
        summary: "Cut the session behind a port; a device that dialled in or is wished for comes back",
        params: PortPath,
        body: Nothing,
        response: answers(FreedPorts, "It is free again."),
      },
    },
    (request) =>
      freed(request.params.port, async (port) =>
        (await agent.kick(port)) ? { ports: [port], wishes: [] } : undefined,
      ),
  );
}

export function agentDocument(agent: Agent): Given<typeof AgentState.static> {
  const { since, events, state } = agent;
  return { role: "agent", version: VERSION, since, sequence: events.last, ...state };
}

async function freed(text: string, free: (port: number) => Promise<Detached | undefined>): Promise<Detached> {
  const port = Number(text);
  const detached = await free(port);
  if (detached !== undefined) return detached;
  throw notKept(port);
}

function notKept(port: string | number): Refusal {
  return new Refusal(
    "NOT_FOUND",
    `the agent keeps nothing on port ${port}. \`usbferry ports\` shows what is attached, also by others.`,
  );
}
