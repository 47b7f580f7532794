import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ConfigurationFile } from "../../src/daemon/configuration/configuration.ts";
import { parseRule, printRule, RuleError } from "../../src/daemon/rules/rule.ts";
import { planServe } from "../../src/daemon/serve-plan.ts";

const read = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), "utf8");

test("the example of docs/configuration.md is one, and says every key", () => {
  const [, example] = /```yaml\n(.*?)```/s.exec(read("docs/configuration.md"))!;
  const file = ConfigurationFile.parse(example!, "docs/configuration.md");
  assert.deepEqual(Object.keys(file.configuration).toSorted(), [
    "connect",
    "control",
    "dashboard",
    "devices",
    "drain",
    "gadgets",
    "listen",
    "log",
    "ring",
    "rules",
    "state",
  ]);
  const plan = planServe({}, file, new Map([["scanner", "04b8:0123"]]), () => true);
  assert.deepEqual(
    plan.gadgets.map(({ specification }) => specification.kind),
    ["zero", "keyboard", "disk"],
  );
  assert.deepEqual(
    plan.devices.map(({ choice }) => choice.by),
    ["busid", "serial", "id"],
  );
  assert.equal(plan.listen.size, 5);
  assert.equal(printRule(plan.rules[2]!), 'allow serial="My Disk" client=10.0.0.0/8');
});

test("the rules that docs/rules.md adds are rules", () => {
  const added = Array.from(read("docs/rules.md").matchAll(/^usbferry policy add (.*?)(?: +--at \d+)?$/gm));
  assert(added.length >= 2);
  for (const [, text] of added) assert(!(parseRule(text!) instanceof RuleError), text);
});
