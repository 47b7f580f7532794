import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { json } from "./api-client.ts";
import { ApiDaemon } from "./api-daemon.ts";
import type { OpenApi } from "./schema-judge.ts";
import { DOCUMENT_PATH, wholeDocument } from "./whole-document.ts";

const committed = readFileSync(DOCUMENT_PATH, "utf8");

test("docs/openapi.json is what the schemas say (`npm run openapi` writes it)", async () => {
  assert.deepEqual(JSON.parse(committed), JSON.parse(await wholeDocument()));
});

for (const role of ["serve", "agent"] as const) {
  test(`what ${role} serves at /openapi.json is a part of the committed document`, async (context) => {
    const daemon =
      role === "serve"
        ? await ApiDaemon.start(context, role, "--gadget", "zero")
        : await ApiDaemon.start(context, role);
    const served = (await json(daemon.place, "/openapi.json")) as OpenApi;
    const whole = JSON.parse(committed) as OpenApi;
    assert(Object.keys(served.paths).length >= 5);
    for (const [path, operations] of Object.entries(served.paths)) {
      for (const [method, operation] of Object.entries(operations)) {
        assert.deepEqual(operation, whole.paths[path]![method], `${method} ${path}`);
      }
    }
    await daemon.stop();
  });
}

test("every operation has a name of its own and tells how it fails", () => {
  const { paths } = JSON.parse(committed) as OpenApi;
  const operations = Object.values(paths).flatMap((methods) => Object.values(methods));
  assert.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length);
  for (const { responses } of operations) {
    for (const status of ["4XX", "5XX"]) {
      const schema = responses[status]!.content!["application/json"]!.schema;
      assert.equal(schema.$ref, "#/components/schemas/Error");
    }
  }
});
