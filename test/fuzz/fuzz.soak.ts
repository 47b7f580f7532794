import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("main.js", import.meta.url));

test("a million inputs for each decoder find nothing", () => {
  const { status } = spawnSync(process.execPath, ["--enable-source-maps", MAIN], { stdio: "inherit" });
  assert.equal(status, 0);
});
