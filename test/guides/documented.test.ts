import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { documentedCommands, faultOf } from "./documented-command.ts";
import { simpleCommands } from "./shell-words.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const DOCUMENTS = [
  "README.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "CHANGELOG.md",
  ...readdirSync(`${ROOT}/docs`, { recursive: true, encoding: "utf8" })
    // Bytes of a protocol may look like a command.
    .filter((name) => name.endsWith(".md") && !name.startsWith("protocols/"))
    .map((name) => `docs/${name}`),
];

test("lines of a shell are cut into their commands as a shell cuts them", () => {
  assert.deepEqual(
    simpleCommands(
      `sudo a 'b c' "d" e\\ f >log 2>&1 </dev/null & x=$(g | h -d ' ') # i\nj && k || l; m | n --o`,
    ),
    [["sudo", "a", "b c", "d", "e f"], ["x=$(g | h -d ' ')"], ["j"], ["k"], ["l"], ["m"], ["n", "--o"]],
  );
});

test("a command line that is wrong is told", async () => {
  const block =
    "```\nsudo usbferry serve --gadgets zero && usbferry list tcp:1 tcp:2\n```\n`usbferry lst` and `usbferry bind`";
  const faults = await Promise.all(documentedCommands(block).map(faultOf));
  assert.match(faults[0]!, /unknown option '--gadgets'/);
  assert.match(faults[1]!, /too many arguments/);
  assert.match(faults[2]!, /unknown command 'lst'/);
  assert.equal(faults[3], undefined);
  for (const [line, fault] of [
    ["usbferry serve --gadget zerro", /there is no gadget "zerro"/],
    ["usbferry attach tpc:1 x", /"tpc" is not a kind of address/],
    ["usbferry attach tcp:99999 x", /a port is at most/],
    ["usbferry policy add allow klient=x", /klient/],
  ] as const) {
    const [only] = documentedCommands(`\`\`\`\n${line}\n\`\`\``);
    assert.match((await faultOf(only!))!, fault);
  }
});

for (const document of DOCUMENTS) {
  test(`every call of usbferry in ${document} is one that the command line takes`, async () => {
    const faults: string[] = [];
    for (const command of documentedCommands(readFileSync(`${ROOT}/${document}`, "utf8"))) {
      const fault = await faultOf(command);
      if (fault !== undefined) faults.push(`${command.text}\n  ${fault}`);
    }
    assert.deepEqual(faults, []);
  });
}
