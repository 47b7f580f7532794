import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { RULES, RuleBook } from "../rules/rule-book.ts";
import { openKept } from "./kept-state.ts";
import { StateFolder } from "./state-folder.ts";

const folder = mkdtempSync(join(tmpdir(), "usbferry-followed-"));
after(() => rmSync(folder, { recursive: true }));

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!(await condition())) {
    assert(performance.now() < endMs, `10 s passed without this: ${what}`);
    await sleep(5);
  }
}

test("a second host follows the rules of the first, changes none, and keeps them when the file is damaged", async () => {
  const codes: string[] = [];
  const note = (fields: object): void => void codes.push((fields as { code: string }).code);
  const log = { info: note, warn: note };
  const first = await openKept(new StateFolder(folder), RULES, log);
  const second = await openKept(new StateFolder(folder), RULES, log);
  second.tell();
  assert.deepEqual(codes, ["STATE_FOLLOWED"]);
  const [own, followed] = [new RuleBook(first.store), new RuleBook(second.store)];
  for (const rule of ["deny class=hub", "allow link=tcp"]) {
    await own.add(rule);
    await until(rule, async () => (await followed.list()).at(-1)?.rule === rule);
  }
  await assert.rejects(followed.add("deny"), /process id \d+ runs and keeps .*--state-dir/);
  writeFileSync(new StateFolder(folder).fileOf(RULES), "{");
  await until("the damage is told", () => codes.includes("STATE_DAMAGED"));
  assert.equal((await followed.list()).length, 2);
  await second.close();
  await first.close();
});
