import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { type Outcome, RunningUsbferry, usbferry } from "../../test/support/usbferry.ts";

const top = mkdtempSync(join(tmpdir(), "usbferry-policy-"));
after(() => rmSync(top, { recursive: true }));
let folders = 0;

class Policy {
  readonly folder = join(top, `${folders++}`);

  run(...args: readonly string[]): Outcome {
    return usbferry(["policy", ...args, "--state-dir", this.folder]);
  }

  /** Done without a word on standard error. */
  says(...args: readonly string[]): string {
    const { code, stdout, stderr } = this.run(...args);
    assert.deepEqual([code, stderr], [0, ""]);
    return stdout;
  }
}

test("rules are added, listed, moved and removed, each by one command", () => {
  const policy = new Policy();
  assert.match(policy.says("list"), /^There are no rules: this machine may have every device/);
  assert.equal(policy.says("add", "allow", "0525:A4A0"), "added r1: allow device=0525:a4a0\n");
  assert.equal(policy.says("add", "deny serial=4C*"), "added r2: deny serial=4C*\n");
  assert.equal(
    policy.says("add", "auto-bind", "serial=My Disk", "--at", "1"),
    'added r3: auto-bind serial="My Disk"\n',
  );
  assert.equal(policy.says("move", "r1", "3"), "moved r1: allow device=0525:a4a0\n");
  assert.equal(
    policy.says("list"),
    'ID  RULE\nr3  auto-bind serial="My Disk"\nr2  deny serial=4C*\nr1  allow device=0525:a4a0\n',
  );
  assert.equal(policy.says("remove", "r2"), "removed r2: deny serial=4C*\n");
  assert.equal(policy.says("add", "deny"), "added r4: deny\n");
});

test("--json is one document", () => {
  const policy = new Policy();
  const rule = { id: "r1", rule: "deny", source: "state" };
  assert.deepEqual(JSON.parse(policy.says("add", "deny", "--json")), { rule });
  assert.deepEqual(JSON.parse(policy.says("list", "--json")), { rules: [rule] });
  assert.deepEqual(JSON.parse(policy.says("remove", "r1", "--json")), { rule });
  assert.deepEqual(JSON.parse(policy.says("list", "--json")), { rules: [] });
});

test("a rule that is not there is a failure that says what to do", () => {
  const { code, stderr } = new Policy().run("remove", "r1");
  assert.equal(code, 1);
  assert.equal(stderr, "usbferry: error: there is no rule r1: `usbferry policy list` shows them.\n");
});

function serving(t: TestContext, policy: Policy, control: string): RunningUsbferry {
  const listen = `unix:${policy.folder}.usbip`;
  const words = `serve --listen ${listen} --gadget zero --control ${control} --state-dir ${policy.folder}`;
  const host = new RunningUsbferry(words.split(" "));
  t.after(() => host.end("SIGKILL"));
  return host;
}

test("while a host that is not controlled here keeps the rules, a change names it", async (t) => {
  const policy = new Policy();
  policy.says("add", "deny", "class=hub");
  const host = serving(t, policy, "off");
  await host.until("Sharing");
  assert.match(policy.says("list"), /^r1 {2}deny class=hub$/m);
  const { code, stdout, stderr } = policy.run("add", "deny");
  assert.deepEqual([code, stdout], [1, ""]);
  assert(stderr.includes(`the host with process id ${host.process.pid} runs and keeps `), stderr);
  await host.end("SIGTERM");
  policy.says("add", "deny");
});

test("rules of a host that runs are changed through it, and hold at once", async (t) => {
  const policy = new Policy();
  const control = `${policy.folder}.control`;
  const host = serving(t, policy, control);
  await host.until("Sharing");
  const at = ["--control", control] as const;
  const listed = (): string => usbferry(["list", `unix:${policy.folder}.usbip`]).stdout;
  assert.match(listed(), /^zero /m);
  assert.equal(policy.says("add", "deny", "busid=zero", ...at), "added r1: deny busid=zero\n");
  assert.doesNotMatch(listed(), /^zero /m);
  assert.match(policy.says("list", ...at), /^r1 {2}deny busid=zero$/m);
  assert.equal(policy.says("remove", "r1", ...at), "removed r1: deny busid=zero\n");
  assert.match(listed(), /^zero /m);
  assert.match(policy.run("remove", "r1", ...at).stderr, /there is no rule r1/);
  assert.match(policy.run("add", "permit", ...at).stderr, /permit/);
});

test("a damaged file is named, left as it is, and keeps a host from starting", () => {
  const policy = new Policy();
  policy.says("add", "deny");
  const path = join(policy.folder, "rules.json");
  writeFileSync(path, '{\n  "version": 1,\n  "rules": 7\n}\n');
  for (const outcome of [
    policy.run("list"),
    policy.run("add", "deny"),
    usbferry(["serve", "--gadget", "zero", "--state-dir", policy.folder]),
  ]) {
    assert.deepEqual([outcome.code, outcome.stdout], [1, ""]);
    assert(outcome.stderr.startsWith(`usbferry: error: ${path}, line`), outcome.stderr);
  }
});

test("a rule that becomes too long by its quotes is refused, and the others hold", () => {
  const policy = new Policy();
  policy.says("add", "allow", "link=unix");
  const { code, stderr } = policy.run("add", `auto-bind serial=${"\\".repeat(600)}`);
  assert.equal(code, 2);
  assert.match(stderr, /a rule has at most 1024 characters/);
  assert.equal(policy.says("list"), "ID  RULE\nr1  allow link=unix\n");
});
