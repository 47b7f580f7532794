import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { usbferry } from "../support/usbferry.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

test("the device that docs/gadgets.md makes is offered by a program outside of this repository", async (context) => {
  const [, shown] = /```ts\n(.*?)```/s.exec(readFileSync(`${ROOT}/docs/gadgets.md`, "utf8"))!;
  const folder = mkdtempSync(join(tmpdir(), "usbferry-own-device-"));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(ROOT, join(folder, "node_modules/usbferry"));
  const program = join(folder, "greeter.mjs");
  const anyPort = shown!.replace(
    "await share({ greeter });",
    'console.log((await share({ greeter }, { listen: "tcp:127.0.0.1:0" })).address);',
  );
  assert.notEqual(anyPort, shown);
  writeFileSync(program, anyPort);
  const running = spawn(process.execPath, [program], { stdio: ["ignore", "pipe", "inherit"] });
  const exit = once(running, "exit");
  context.after(async () => {
    running.kill("SIGKILL");
    await exit;
    rmSync(folder, { recursive: true });
  });
  const [address] = (await once(createInterface(running.stdout), "line")) as [string];
  const { code, stdout } = usbferry(["list", address]);
  assert.equal(code, 0);
  assert.match(stdout, /^greeter +[0-9a-f]{4}:[0-9a-f]{4} .*Shared$/m);
});
