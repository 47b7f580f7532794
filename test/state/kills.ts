import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { listRules, RULES } from "../../src/daemon/rules/rule-book.ts";
import { StateFolder } from "../../src/daemon/state/state-folder.ts";
import { json } from "../api/api-client.ts";
import { RunningUsbferry } from "../support/usbferry.ts";
import { RuleClient } from "./rule-client.ts";
import { RuleMover } from "./rule-mover.ts";

/** A daemon makes dozens of changes in this time. */
const LONGEST_MS = 150;

/**
 * Kills a host at so many random moments while three clients change its rules, and looks at what is kept after each:
 * in the file, and in what the next host lists.
 */
export async function killManyTimes(context: TestContext, rounds: number): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "usbferry-kills-"));
  const folder = new StateFolder(join(root, "state"));
  const place = { socketPath: join(root, "serve.sock") };
  let daemon: RunningUsbferry | undefined;
  context.after(() => {
    daemon?.process.kill("SIGKILL");
    rmSync(root, { recursive: true });
  });
  const mover = new RuleMover(place);
  const clients = [mover, new RuleClient(place, "first"), new RuleClient(place, "second")];
  const seen = { acknowledged: 0, made: 0, notMade: 0, unfinished: 0 };
  for (let round = 0; round <= rounds; round++) {
    daemon = await start(root, folder.path);
    const state = await folder.read(RULES);
    assert.deepEqual(
      await json(place, "/v1/rules"),
      { rules: listRules(state) },
      `round ${round}: it lists the file`,
    );
    assert.deepEqual(readdirSync(folder.path).toSorted(), [
      "binds.lock",
      "claims.lock",
      ...(round === 0 ? [] : ["rules.json"]),
      "rules.lock",
    ]);
    if (round === 0) await mover.begin();
    if (round === rounds) break;

    let isKilled = false;
    const changing = clients.map((client) => client.changeUntilCut(() => isKilled));
    await Promise.race([sleep(Math.random() * LONGEST_MS), ...changing]);
    isKilled = true;
    assert.equal(daemon.process.exitCode, null, `round ${round}: it ran until it was killed`);
    await daemon.end("SIGKILL");
    for (const acknowledged of await Promise.all(changing)) seen.acknowledged += acknowledged;

    const { rules, next } = await folder.read(RULES);
    if (readdirSync(folder.path).includes("rules.json.new")) seen.unfinished++;
    const unclaimed = new Set(rules.map(({ id }) => id));
    for (const client of clients) {
      const { made, notMade } = client.judge(rules, unclaimed, `round ${round}`);
      seen.made += made;
      seen.notMade += notMade;
    }
    assert.deepEqual(Array.from(unclaimed), [], `round ${round}: rules that nobody asked for`);
    for (const { id } of rules)
      assert(Number(id.slice(1)) < next, `round ${round}: ${id} would be given again`);
  }
  await daemon!.end("SIGTERM");
  const { acknowledged, made, notMade, unfinished } = seen;
  context.diagnostic(
    `${acknowledged} changes acknowledged; of the others ${made} made, ${notMade} not; ${unfinished} new files unfinished`,
  );
  assert(acknowledged > rounds && made + notMade > 0, "it was killed while rules were changed");
}

async function start(root: string, state: string): Promise<RunningUsbferry> {
  const daemon = new RunningUsbferry([
    "serve",
    "--gadget=zero",
    "--data-plane=main",
    `--listen=unix:${join(root, "usbip.sock")}`,
    `--control=${join(root, "serve.sock")}`,
    `--state-dir=${state}`,
  ]);
  await daemon.until("Controlled at");
  return daemon;
}
