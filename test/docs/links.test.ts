import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const documents = [
  ...["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"].map((name) => join(ROOT, name)),
  ...readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(ROOT, "docs", name)),
];

/** What a heading is called in a link: as on GitHub. */
function anchorsOf(path: string): ReadonlySet<string> {
  const headings = readFileSync(path, "utf8")
    .replaceAll(/^```.*?^```$/gms, "")
    .matchAll(/^#+ (.*)$/gm);
  return new Set(
    Array.from(headings, ([, title]) =>
      title!
        .toLowerCase()
        .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

function fault(document: string, target: string): string | undefined {
  const [path = "", anchor] = target.split("#");
  const place = path === "" ? document : join(dirname(document), path);
  if (!existsSync(place)) return `${target} does not exist`;
  if (anchor === undefined || statSync(place).isDirectory()) return undefined;
  return anchorsOf(place).has(anchor) ? undefined : `${target} is no heading there`;
}

for (const document of documents) {
  test(`every link of ${relative(ROOT, document)} to another page leads to it`, () => {
    const links = readFileSync(document, "utf8")
      .replaceAll(/^ *```.*?^ *```$/gms, "")
      .matchAll(/\]\(([^)\s]+)\)/g);
    const faults = Array.from(links, ([, target]) => target!)
      .filter((target) => !/^https?:/.test(target))
      .map((target) => fault(document, target))
      .filter((found) => found !== undefined);
    assert.deepEqual(faults, []);
  });
}
