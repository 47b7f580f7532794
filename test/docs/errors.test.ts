import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { CERTIFICATE_REFUSALS } from "../../src/links/certificate.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const read = (path: string): string => readFileSync(`${root}/${path}`, "utf8");

/** The examination has a page of its own, docs/doctor.md; the dashboard shows what others tell. */
const sources = readdirSync(`${root}/src`, { recursive: true, encoding: "utf8" })
  .filter(
    (path) => /\.tsx?$/.test(path) && !path.includes(".test.") && !/^(daemon\/doctor|dashboard)\//.test(path),
  )
  .map((path) => read(`src/${path}`));

/** Members of the unions of string literals in these files, which exist for the compiler only. */
function codesOf(...paths: readonly string[]): string[] {
  return paths.flatMap((path) =>
    Array.from(read(path).matchAll(/^ {2}\| "([A-Z_]+)"/gm), (match) => match[1]!),
  );
}

/** Literals that stand for the code of a line, an event or an answer, alternatives included. */
function codesTold(): string[] {
  const expressions = sources.flatMap((text) =>
    Array.from(text.matchAll(/\bcode: ([^,;{}]*)/g), (match) => match[1]!),
  );
  const codes = expressions.flatMap((text) =>
    Array.from(text.matchAll(/"([A-Z][A-Z_]+)"/g), (match) => match[1]!),
  );
  return codes.filter((code) => !(code in constants.errno));
}

/** What a `tls:` link is refused with, which a line of the log carries as it is. */
function codesOfTls(): string[] {
  const text = read("src/links/certificate-error.ts");
  return [
    ...CERTIFICATE_REFUSALS,
    ...Array.from(text.matchAll(/^ {4}"([A-Z_]+)",$/gm), (match) => match[1]!),
  ];
}

test("every code that a log line, an event or the control API can carry is a heading of docs/errors.md, and there are no others", () => {
  const headings = Array.from(read("docs/errors.md").matchAll(/^### ([A-Z_]+)$/gm), (match) => match[1]!);
  const unions = codesOf(
    "src/wire/protocol-error.ts",
    "src/daemon/session-end.ts",
    "src/usbip/server.ts",
    "src/daemon/api/refusal.ts",
  );
  assert(unions.includes("TRUNCATED") && unions.includes("LINK_LOST"));
  const told = codesTold();
  assert(told.includes("SHARED") && told.includes("HOOK_FAILED"));
  const codes = new Set([...unions, ...told, ...codesOfTls()]);
  assert.deepEqual(headings.toSorted(), Array.from(codes).toSorted());
});
