import type { FastifyInstance, FastifyPluginAsync } from "fastify";
import { VERSION } from "../version.ts";

/**
 * The OpenAPI document of these routes. They are added to an application of their own, so that one that nobody asks for
 * its document does not load what makes it.
 */
export async function describe(app: FastifyInstance, routes: FastifyPluginAsync): Promise<object> {
  const { default: swagger } = await import("@fastify/swagger");
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "usbferry control API",
        description: "What a running usbferry host or agent shares, attaches and cuts. See docs/api.md.",
        version: VERSION,
      },
      tags: [
        { name: "host", description: "`usbferry serve`" },
        { name: "agent", description: "`usbferry agent`" },
      ],
    },
  });
  await app.register(routes);
  await app.ready();
  return withComponents(app.swagger());
}

interface Schema {
  readonly title?: string;
  readonly [key: string]: unknown;
}

/** Titled schemas become components, so that the document names each once. */
function withComponents(document: object): object {
  const schemas: Record<string, unknown> = {};
  const visit = (value: unknown, at: readonly string[]): unknown => {
    if (Array.isArray(value)) return value.map((item) => visit(item, at));
    if (typeof value !== "object" || value === null) return value;
    const visited = Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, visit(item, [...at, key])]),
    ) as Schema;
    const { title } = visited;
    // `info` of the document has a title as well.
    if (title === undefined || typeof title !== "string" || at.at(-1) === "info") return visited;
    const { title: _, description, ...schema } = visited;
    schemas[title] ??= schema;
    return { $ref: `#/components/schemas/${title}`, ...(description !== undefined && { description }) };
  };
  const { components, ...rest } = visit(document, []) as { readonly components?: object };
  const named = Object.fromEntries(Object.entries(schemas).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return { ...rest, components: { ...components, schemas: named } };
}
