import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { askOrStartAgent } from "./agent-client.ts";

const folder = mkdtempSync(join(tmpdir(), "usbferry-agent-"));
after(() => rmSync(folder, { recursive: true }));
Object.assign(process.env, { USBFERRY_AGENT: join(folder, "agent.sock") });

function start(...command: readonly string[]): Promise<unknown> {
  return askOrStartAgent(["/bin/sh", "-c", ...command], { method: "GET", path: "/v1/state" });
}

test("an agent that ends at once is told with what it said itself, not with what stood in its log before", async () => {
  writeFileSync(join(folder, "agent.log"), "the end of an agent before\n");
  await assert.rejects(start("echo 'usbferry: error: no room' >&2; exit 1"), {
    message:
      "the agent did not start: it ended, and said: usbferry: error: no room. Run `usbferry agent` to see why.",
  });
  await assert.rejects(start("exit 1"), {
    message: "the agent did not start: it ended. Run `usbferry agent` to see why.",
  });
});
