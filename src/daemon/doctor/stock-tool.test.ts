import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Finding } from "./examination.ts";
import { StockTool } from "./stock-tool.ts";

const folder = mkdtempSync(join(tmpdir(), "usbferry-tool-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let tools = 0;

async function tool(script: string): Promise<Finding> {
  const path = join(folder, String(tools++));
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return (await new StockTool(path).run())[0]!;
}

test("the tool of today fits, that of 2010 does not", async () => {
  assert.equal((await tool("echo 'usbip (usbip-utils 2.0)'")).code, "STOCK_TOOL_FITS");
  assert.equal((await tool("echo 'usbip (usbip-utils 1.1.1)'")).code, "STOCK_TOOL_FITS");
  assert.equal((await tool("echo 'usbip (usbip-utils 0.1.8)'")).code, "STOCK_TOOL_OLD");
  const [absent] = await new StockTool(join(folder, "absent")).run();
  assert.equal(absent!.code, "STOCK_TOOL_ABSENT");
});

test("Ubuntu's script without the tools of this kernel is told in its own words", async () => {
  const finding = await tool("echo 'WARNING: usbip not found for kernel 6.6.87.2-microsoft' >&2; exit 2");
  assert.deepEqual([finding.code, finding.severity], ["STOCK_TOOL_BROKEN", "note"]);
  assert.match(finding.why!, /WARNING: usbip not found for kernel 6\.6\.87\.2-microsoft/);
});

test("a tool that hangs is given up", async () => {
  assert.equal((await tool("exec sleep 60")).code, "STOCK_TOOL_BROKEN");
});
