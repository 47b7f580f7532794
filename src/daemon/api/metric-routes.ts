import { Type } from "@sinclair/typebox";
import { EXPOSITION_TYPE } from "../figures/exposition.ts";
import { metrics } from "../figures/metrics.ts";
import { VERSION } from "../version.ts";
import { answers, ErrorBody } from "./documents/document.ts";
import { Health } from "./documents/host.ts";
import { Refusal } from "./refusal.ts";
import type { Routes } from "./routes.ts";
import type { Watched } from "./watched.ts";

/** For programs that watch over programs. */
export function addMetrics(routes: Routes, watched: Watched): void {
  const tags = ["host", "agent"];
  routes.get(
    "/metrics",
    {
      schema: {
        tags,
        operationId: "metrics",
        summary: "Everything that is counted, for Prometheus",
        description: "docs/metrics.md has every name.",
        response: {
          200: {
            description: "The text format of Prometheus.",
            content: { "text/plain": { schema: Type.String() } },
          },
          "4xx": ErrorBody,
          "5xx": ErrorBody,
        },
      },
    },
    (_request, reply) => {
      const bytes = Buffer.from(metrics(watched));
      reply.hijack();
      reply.raw
        .writeHead(200, { "content-type": EXPOSITION_TYPE, "content-length": bytes.length })
        .end(bytes);
    },
  );
  routes.get(
    "/health",
    {
      schema: {
        tags,
        operationId: "health",
        summary: "Whether it can do its work",
        description:
          "Anything but 200 means that it cannot; the code UNHEALTHY says why. Over TCP, too, it needs no token.",
        response: answers(Health, "It is well."),
      },
    },
    async () => {
      const checks = await watched.checks();
      const troubles = checks.flatMap(({ trouble }) => trouble ?? []);
      if (troubles.length > 0) throw new Refusal("UNHEALTHY", troubles.join(" "));
      const { role, since } = watched;
      return { status: "ok" as const, role, version: VERSION, since, checks: checks.map(({ name }) => name) };
    },
  );
}
