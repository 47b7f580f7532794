import { Type } from "@sinclair/typebox";
import { type FastifyInstance, type FastifyReply, fastify } from "fastify";
import type { EventKind } from "../device-event.ts";
import type { Log } from "../log.ts";
import { API_LIMITS, type ApiLimits } from "./api-limits.ts";
import { AgentState } from "./documents/attachment.ts";
import { DeviceEvent, EventQuery } from "./documents/device.ts";
import { answers, ErrorBody } from "./documents/document.ts";
import { HostState } from "./documents/host.ts";
import { EventStreams } from "./event-stream.ts";
import { addFigures } from "./figure-routes.ts";
import { addMetrics } from "./metric-routes.ts";
import { describe } from "./openapi.ts";
import { badRequest, noSuchPath, refusalOf } from "./refusal.ts";
import type { Routes, TypeBoxProvider } from "./routes.ts";
import { checkRequest, writeAnswer } from "./schema-check.ts";
import type { Watched } from "./watched.ts";

/** The application behind the control API of a daemon, with its own routes and those that every daemon has. */
export async function buildApp(
  watched: Watched,
  addRoutes: (routes: Routes, limits: ApiLimits) => void,
  limits: ApiLimits = API_LIMITS,
): Promise<Routes> {
  const { events, log } = watched;
  const streams = new EventStreams(events, limits);
  const addAll = async (instance: FastifyInstance): Promise<void> => {
    const routes: Routes = instance.withTypeProvider<TypeBoxProvider>();
    addState(routes, watched);
    addEvents(routes, streams);
    addFigures(routes, watched, limits);
    addMetrics(routes, watched);
    addRoutes(routes, limits);
  };
  const app = bareApp(log, limits);
  await app.register(addAll);
  let document: Promise<object> | undefined;
  app.get("/openapi.json", { schema: { hide: true } }, () => {
    document ??= describe(bareApp(log, limits), addAll);
    return document;
  });
  await app.ready();
  return app;
}

/** An application without routes. */
export function bareApp(log: Log, { bodyBytes }: ApiLimits = API_LIMITS): Routes {
  const app: FastifyInstance = fastify({
    bodyLimit: bodyBytes,
    exposeHeadRoutes: false,
    // Checking and writing is TypeBox' here; the compilers that Fastify brings stay unloaded.
    schemaController: { compilersFactory: { buildValidator: unused, buildSerializer: unused } },
    frameworkErrors: (error, _request, reply) => fail(reply as unknown as FastifyReply, error, log),
  });
  app.setValidatorCompiler(checkRequest);
  app.setSerializerCompiler(writeAnswer);
  app.removeContentTypeParser("text/plain");
  app.setErrorHandler((error, _request, reply) => fail(reply, error, log));
  app.setNotFoundHandler(({ method, url }) => {
    throw noSuchPath(`${method} ${url.split("?")[0]!.replace(/[^\x20-\x7e]/g, "?")}`);
  });
  return app.withTypeProvider<TypeBoxProvider>();
}

function unused(): never {
  throw new Error("the compilers of the application are set");
}

/** Past the schemas: a failure has to arrive, also that of an answer that broke its own. */
function fail(reply: FastifyReply, error: unknown, log: Log): void {
  const { status, body } = refusalOf(error, log);
  void reply.code(status).type("application/json").serializer(JSON.stringify).send(body);
}

function addState(routes: Routes, watched: Watched): void {
  routes.get(
    "/v1/state",
    {
      schema: {
        tags: ["host", "agent"],
        operationId: "state",
        summary: "Everything",
        response: answers(Type.Union([HostState, AgentState]), "By the role of who answers."),
      },
    },
    () => watched.state(),
  );
}

function addEvents(routes: Routes, streams: EventStreams): void {
  routes.get(
    "/v1/events",
    {
      schema: {
        tags: ["host", "agent"],
        operationId: "events",
        summary: "Events as they happen",
        description:
          "Server-sent events: `id` is the sequence number, `event` the kind, `data` a DeviceEvent. With the header " +
          "Last-Event-ID, or the query of the same meaning, the events behind that one come first, as far as they are kept; a " +
          "gap in the ids tells of those that are not. A reader that does not keep up is cut.",
        headers: Type.Object({
          "last-event-id": Type.Optional(Type.String({ maxLength: 20, examples: ["0"] })),
        }),
        querystring: EventQuery,
        response: {
          200: {
            description: "The stream, which has no end.",
            content: { "text/event-stream": { schema: DeviceEvent } },
          },
          "4xx": ErrorBody,
          "5xx": ErrorBody,
        },
      },
    },
    (request, reply) => {
      const last = request.headers["last-event-id"];
      const after = last === undefined ? undefined : Number(last);
      if (after !== undefined && !Number.isSafeInteger(after)) {
        throw badRequest("the header Last-Event-ID is no id of an event");
      }
      const kinds = request.query.kind?.split(",") as readonly EventKind[] | undefined;
      streams.admit();
      reply.hijack();
      streams.open(reply.raw, after, kinds && new Set(kinds));
    },
  );
}
