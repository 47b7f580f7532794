import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { RULES } from "../../src/daemon/rules/rule-book.ts";
import { StateFolder } from "../../src/daemon/state/state-folder.ts";

const WRITER = fileURLToPath(new URL("rule-writer.js", import.meta.url));
/** A writer makes hundreds of changes in this time. */
const LONGEST_MS = 120;

/** Kills a process that changes rules at so many random moments, and looks at what is kept after each. */
export async function killManyTimes(rounds: number): Promise<void> {
  const folder = new StateFolder(mkdtempSync(join(tmpdir(), "usbferry-kills-")));
  const acknowledged = new Set<string>();
  let changes = 0;
  try {
    for (let round = 0; round < rounds; round++) {
      const lines = await linesUntilKilled(folder.path);
      for (const line of lines) {
        if (line.startsWith("+")) acknowledged.add(line.slice(1));
        else acknowledged.delete(line.slice(1));
      }
      changes += lines.length;
      const kept = new Set((await folder.read(RULES)).rules.map(({ id }) => id));
      // A removal that was not acknowledged may have come to pass, and so may up to two additions.
      const lost = Array.from(acknowledged).filter((id) => !kept.has(id));
      const unasked = Array.from(kept).filter((id) => !acknowledged.has(id));
      assert(lost.length <= 1, `round ${round}: acknowledged and lost: ${lost.join()}`);
      assert(unasked.length <= 2, `round ${round}: kept and not acknowledged: ${unasked.join()}`);
      assert(lost.length === 0 || unasked.length === 0, `round ${round}: one change at a time is on its way`);
      acknowledged.clear();
      for (const id of kept) acknowledged.add(id);
    }
    assert(changes > rounds, `${changes} changes in ${rounds} rounds`);
    await (await folder.open(RULES)).close();
    assert.deepEqual(readdirSync(folder.path).toSorted(), ["rules.json", "rules.lock"]);
  } finally {
    rmSync(folder.path, { recursive: true });
  }
}

/** What it had acknowledged when it was killed. */
async function linesUntilKilled(path: string): Promise<readonly string[]> {
  const writer = spawn(process.execPath, [WRITER, path], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  writer.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const closed = once(writer, "close");
  await Promise.race([once(writer.stdout, "data"), closed]);
  await sleep(Math.random() * LONGEST_MS);
  writer.kill("SIGKILL");
  await closed;
  const lines = output.split("\n").slice(0, -1);
  assert.equal(lines.shift(), "ready", "it ran");
  assert.equal(writer.signalCode, "SIGKILL", "it ran until it was killed");
  return lines;
}
