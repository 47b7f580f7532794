import type { Call } from "./api-client.ts";
import type { Operation, SchemaJudge } from "./schema-judge.ts";

export interface NamedCall extends Call {
  /** What is wrong with it. */
  readonly name: string;
  /** Nothing: the daemon may also find it good. */
  readonly status?: number;
}

const JSON_TYPE = { "content-type": "application/json" };
const STRANGE = [
  "",
  "\u0000",
  "\u202e\u{1f9a6}",
  "../../etc/passwd",
  "%00",
  "'; --",
  "x".repeat(5_000),
  "-1",
  "1e99",
];
const WRONG: readonly unknown[] = [null, true, 0, -1, 1.5, 1e308, "", [], {}, [[]], "x".repeat(20_000)];

/** A request that the document allows. */
export function goodCall(judge: SchemaJudge, path: string, method: string, operation: Operation): Call {
  const schema = operation.requestBody?.content["application/json"]?.schema;
  const query = (operation.parameters ?? [])
    .filter((parameter) => parameter.in === "query")
    .map(({ name, schema: given }) => `${name}=${encodeURIComponent(String(judge.sample(given)))}`);
  return {
    method: method.toUpperCase(),
    path: pathWith(path, operation, judge) + (query.length === 0 ? "" : `?${query.join("&")}`),
    ...(schema !== undefined && { headers: JSON_TYPE, body: JSON.stringify(judge.sample(schema)) }),
  };
}

/** Requests that the document does not allow, and some that no document could. */
export function* badCalls(
  judge: SchemaJudge,
  path: string,
  method: string,
  operation: Operation,
): Generator<NamedCall> {
  const good = goodCall(judge, path, method, operation);
  for (const other of ["PUT", "PATCH", "OPTIONS", "TRACE", "HEAD", "PROPFIND"]) {
    const expected = other === "PUT" || other === "PATCH" || other === "PROPFIND" ? {} : { status: 404 };
    yield { ...good, name: `the method ${other}`, method: other, ...expected };
  }
  for (const parameter of operation.parameters ?? []) {
    if (parameter.in === "header") continue;
    for (const text of STRANGE) {
      if (judge.fault(parameter.schema, text) === undefined) continue;
      const value = encodeURIComponent(text);
      const bad =
        parameter.in === "path"
          ? path.replace(`{${parameter.name}}`, value)
          : `${path}?${parameter.name}=${value}`;
      yield { ...good, name: `${parameter.name} is ${text.slice(0, 20)}`, path: bad };
    }
  }
  const bare = good.path.split("?")[0]!;
  yield { ...good, name: "broken escapes in the path", path: `${bare}/%ff%zz` };
  yield { ...good, name: "a path outside", path: `${bare}/../../../etc/passwd`, status: 404 };
  yield { ...good, name: "an escaped path outside", path: `${bare}%2f..%2f..%2fetc%2fpasswd` };
  yield { ...good, name: "a longer path", path: `${bare}/more` };
  yield {
    ...good,
    name: "a query nobody knows",
    path: `${good.path}${good.path.includes("?") ? "&" : "?"}x=${"y".repeat(3_000)}`,
  };
  yield {
    ...good,
    name: "a head that is too large",
    headers: { ...good.headers, "x-more": "x".repeat(9_000) },
    status: 413,
  };
  const schema = operation.requestBody?.content["application/json"]?.schema;
  if (schema === undefined) return;
  const sample = judge.sample(schema) as Record<string, unknown>;
  const withBody = (name: string, body: string | Uint8Array, status?: number): NamedCall => ({
    ...good,
    name,
    body,
    ...(status !== undefined && { status }),
  });
  yield withBody("no JSON", "{", 400);
  yield withBody("nothing", "", 400);
  yield withBody("JSON with more behind it", `${JSON.stringify(sample)}x`, 400);
  yield withBody("no UTF-8", Uint8Array.of(0x7b, 0xff, 0xfe, 0x7d), 400);
  yield withBody("a poisoned prototype", '{"__proto__":{"x":1}}', 400);
  yield withBody("a poisoned constructor", '{"constructor":{"prototype":{"x":1}}}', 400);
  yield withBody("a deep value", `${"[".repeat(10_000)}${"]".repeat(10_000)}`, 400);
  yield withBody("a deep object", `${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}`, 400);
  yield withBody("more than a body may have", JSON.stringify({ ...sample, more: "x".repeat(70_000) }), 413);
  for (const wrong of WRONG) {
    if (judge.fault(schema, wrong) === undefined) continue;
    yield withBody(`${JSON.stringify(wrong).slice(0, 20)} for all`, JSON.stringify(wrong), 400);
  }
  yield withBody("a property nobody knows", JSON.stringify({ ...sample, "\u{1f9a6}": 1 }), 400);
  for (const name of Object.keys(sample)) {
    const { [name]: _, ...rest } = sample;
    if (judge.fault(schema, rest) !== undefined) yield withBody(`without ${name}`, JSON.stringify(rest), 400);
    for (const wrong of WRONG) {
      if (judge.fault(schema, { ...sample, [name]: wrong }) === undefined) continue;
      const body = JSON.stringify({ ...sample, [name]: wrong });
      yield withBody(`${name} is ${JSON.stringify(wrong).slice(0, 20)}`, body, 400);
    }
    if (Array.isArray(sample[name])) {
      for (const items of [[], Array.from({ length: 1_000 }, () => "x"), [1], [null], [[]]]) {
        if (judge.fault(schema, { ...sample, [name]: items }) === undefined) continue;
        yield withBody(
          `${name} has ${items.length} items`,
          JSON.stringify({ ...sample, [name]: items }),
          400,
        );
      }
    }
    for (const text of STRANGE) {
      yield withBody(`${name} is ${text.slice(0, 20)}`, JSON.stringify({ ...sample, [name]: text }));
    }
  }
  const body = JSON.stringify(sample);
  for (const type of [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "x",
  ]) {
    yield { ...good, name: `the type ${type}`, headers: { "content-type": type }, body, status: 415 };
  }
  yield { ...good, name: "no type", headers: {}, body, status: 415 };
}

function pathWith(path: string, operation: Operation, judge: SchemaJudge): string {
  return (operation.parameters ?? [])
    .filter((parameter) => parameter.in === "path")
    .reduce((text, { name, schema }) => text.replace(`{${name}}`, String(judge.sample(schema))), path);
}
