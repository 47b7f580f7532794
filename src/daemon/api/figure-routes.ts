import { LiveFigures } from "../figures/live-figures.ts";
import type { ApiLimits } from "./api-limits.ts";
import { answers, ErrorBody } from "./documents/document.ts";
import { Figures } from "./documents/figures.ts";
import { FigureStreams } from "./figure-stream.ts";
import type { Routes } from "./routes.ts";
import type { Watched } from "./watched.ts";

/** What devices carry, second by second. */
export function addFigures(routes: Routes, { carried }: Watched, limits: ApiLimits): void {
  const live = new LiveFigures(carried);
  const streams = new FigureStreams(live, limits);
  const tags = ["host", "agent"];
  routes.get(
    "/v1/figures",
    {
      schema: {
        tags,
        operationId: "figures",
        summary: "What devices carry: URBs and bytes a second, latencies, errors",
        description:
          "Of the last second, and since each device was attached. It takes up to a second if nobody has asked for some " +
          "seconds. Devices that nobody has are left out, and those that were attached with `--direct`.",
        response: answers(Figures, "Every device that somebody has."),
      },
    },
    () => live.read(),
  );
  routes.get(
    "/v1/figures/events",
    {
      schema: {
        tags,
        operationId: "figureEvents",
        summary: "The same each second",
        description:
          "Server-sent events: `event` is `figures`, `data` the document of /v1/figures. A reader that does not keep up " +
          "misses some.",
        response: {
          200: {
            description: "The stream, which has no end.",
            content: { "text/event-stream": { schema: Figures } },
          },
          "4xx": ErrorBody,
          "5xx": ErrorBody,
        },
      },
    },
    (_request, reply) => {
      streams.admit();
      reply.hijack();
      streams.open(reply.raw);
    },
  );
}
