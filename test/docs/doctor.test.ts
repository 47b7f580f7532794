import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type OpenApi, type Schema, SchemaJudge } from "../api/schema-judge.ts";
import { usbferry } from "../support/usbferry.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const read = (path: string): string => readFileSync(`${root}/${path}`, "utf8");
const page = read("docs/doctor.md");
const folder = "src/daemon/doctor";
const sources = readdirSync(`${root}/${folder}`)
  .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
  .map((name) => read(`${folder}/${name}`))
  .join("\n");

/** Codes that are given as an argument of these functions. */
function given(functions: string): string[] {
  const found = sources.matchAll(new RegExp(`\\b(?:${functions})\\(\\s*"([A-Z_]+)"`, "g"));
  return Array.from(new Set(Array.from(found, (match) => match[1]!))).toSorted();
}

const chapters = new Map(
  page
    .split(/^### /m)
    .slice(1)
    .map((chapter) => [/^[A-Z_]+/.exec(chapter)![0], chapter]),
);

test("every code of what is not well has a chapter of docs/doctor.md that says why and what to do next", () => {
  assert.deepEqual(Array.from(chapters.keys()).toSorted(), given("note|problem"));
  for (const [code, chapter] of chapters) {
    assert.match(chapter, /^[A-Z_]+\n\n\S.*?\n\n\*\*Why:\*\* \S.*?\n\n\*\*Next:\*\* \S/s, code);
  }
});

test("every code of what is well is in the table of docs/doctor.md, and there are no others", () => {
  const table = Array.from(page.matchAll(/^\| `([A-Z_]+)` +\|/gm), (match) => match[1]!);
  assert.deepEqual(table.toSorted(), given("ok"));
  const union = Array.from(
    read(`${folder}/finding.ts`).matchAll(/^ {2}\| "([A-Z_]+)"/gm),
    (match) => match[1]!,
  );
  assert.deepEqual([...table, ...chapters.keys()].toSorted(), union.toSorted());
});

test("what --json prints is what docs/doctor.md describes", () => {
  const schema = JSON.parse(/```json\n(.*?)```/s.exec(page)![1]!) as Schema;
  const judge = new SchemaJudge({ components: { schemas: {} } } as unknown as OpenApi);
  for (const args of [[], ["tcp:127.0.0.1:1"], ["nonsense"]]) {
    const { code, stdout, stderr } = usbferry(["doctor", ...args, "--json"]);
    assert.equal(stderr, "");
    const document = JSON.parse(stdout) as { ok: boolean; checks: { findings: { severity: string }[] }[] };
    assert.equal(judge.fault(schema, document), undefined);
    const severities = document.checks.flatMap(({ findings }) => findings.map(({ severity }) => severity));
    assert.equal(document.ok, !severities.includes("problem"));
    assert.equal(code, document.ok ? 0 : 1);
  }
});
