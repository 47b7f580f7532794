import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { call, json, type Reply, talk } from "./api-client.ts";
import { ApiDaemon } from "./api-daemon.ts";
import { badCalls, goodCall } from "./bad-request.ts";
import { EventReader } from "./event-reader.ts";
import { type OpenApi, type Operation, SchemaJudge } from "./schema-judge.ts";

/** Answers that have no end. */
const STREAMS: ReadonlySet<string> = new Set(["events", "capture", "capturePort"]);

/** Whatever was asked: an answer that the document allows, and a failure in the one shape. */
function checkReply(
  judge: SchemaJudge,
  operation: Operation | undefined,
  { status, headers, text }: Reply,
): void {
  assert(status !== 500, text);
  assert.doesNotMatch(text, /\n\s+at |node_modules|\.js:\d/, "a stack reached the client");
  if (status < 300 && operation?.responses[status]?.content?.["text/plain"] !== undefined) {
    assert.match(headers["content-type"] ?? "", /^text\/plain\b/);
    return;
  }
  assert.match(headers["content-type"] ?? "", /^application\/json\b/, text);
  const document: unknown = JSON.parse(text);
  const schema =
    status < 300
      ? operation?.responses[status]?.content?.["application/json"]?.schema
      : { $ref: "#/components/schemas/Error" };
  assert(schema !== undefined, `${status}: ${text}`);
  assert.equal(judge.fault(schema, document), undefined, text);
  if (status < 300) return;
  const { code, message } = document as { code: string; message: string };
  assert.match(code, /^[A-Z_]+$/);
  assert(message.length > 20, "it says what happened and what to do next");
}

const daemons = {
  host: (context: TestContext) => ApiDaemon.start(context, "serve", "--gadget", "zero"),
  agent: (context: TestContext) => ApiDaemon.start(context, "agent"),
};

for (const [role, start] of Object.entries(daemons)) {
  test(`the ${role} answers every request of its document, and refuses every mutation in one shape`, async (context) => {
    const daemon = await start(context);
    const { place } = daemon;
    const document = (await json(place, "/openapi.json")) as OpenApi;
    const judge = new SchemaJudge(document);
    let good = 0;
    let bad = 0;
    for (const [path, operations] of Object.entries(document.paths)) {
      for (const [method, operation] of Object.entries(operations)) {
        if (STREAMS.has(operation.operationId)) continue;
        if (operation.responses[200]?.content?.["text/event-stream"] !== undefined) continue;
        const asked = goodCall(judge, path, method, operation);
        checkReply(judge, operation, await call(place, asked));
        good++;
        for (const { name, status, ...request } of badCalls(judge, path, method, operation)) {
          const reply = await call(place, request);
          const where = `${request.method} ${path}, ${name}: ${reply.status} ${reply.text}`;
          if (status !== undefined) assert.equal(reply.status, status, where);
          if (request.method === "HEAD") continue;
          bad++;
          try {
            checkReply(judge, operation, reply);
          } catch (error) {
            throw new Error(where, { cause: error });
          }
        }
      }
    }
    assert(good >= 7 && bad > 100, `${good} good and ${bad} bad requests`);
    for (const nonsense of [
      "\r\n\r\n",
      "GET\r\n\r\n",
      "\u0016\u0003\u0001",
      "GET / HTTP/9.9\r\n\r\n",
      "{}\n",
    ]) {
      const text = await talk(place, nonsense);
      const body = text.slice(text.indexOf("\r\n\r\n") + 4);
      assert.equal(judge.fault({ $ref: "#/components/schemas/Error" }, JSON.parse(body)), undefined, text);
    }
    await daemon.stop();
  });

  test(`the events of the ${role} are what its document says`, async (context) => {
    const daemon = await start(context);
    const document = (await json(daemon.place, "/openapi.json")) as OpenApi;
    const judge = new SchemaJudge(document);
    const { get: operation } = document.paths["/v1/events"]!;
    assert(operation !== undefined);
    for (const { name, status, ...request } of badCalls(judge, "/v1/events", "get", operation)) {
      if (name === "a query nobody knows") continue;
      const reply = await call(daemon.place, request);
      if (status !== undefined) assert.equal(reply.status, status, name);
      if (request.method !== "HEAD") checkReply(judge, operation, reply);
    }
    const headers = { "last-event-id": "no number" };
    assert.equal((await call(daemon.place, { method: "GET", path: "/v1/events", headers })).status, 400);
    const reader = new EventReader(daemon.place, "", "Last-Event-ID: 0\r\n");
    await reader.until(({ begun, events }) => begun && (role === "agent" || events.length > 0));
    for (const event of reader.events) {
      assert.equal(judge.fault({ $ref: "#/components/schemas/DeviceEvent" }, event), undefined);
    }
    reader.close();
    await daemon.stop();
  });
}
