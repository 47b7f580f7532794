import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { RunningUsbferry } from "../support/usbferry.ts";
import { cacheFolder, prepareBed } from "../vm/debian/preparation.ts";
import { Userland } from "../vm/debian/userland.ts";

const CLIENT = fileURLToPath(new URL("../../../test/conformance/wslusb-python", import.meta.url));
const GADGETS = ["zero", "keyboard", "disk,size=8M", "serial"].flatMap((gadget) => ["--gadget", gadget]);

/** The client's writer had docs/protocols/wslusb.md and no source of this project. No machine is booted. */
test("a client that was written from the document of WSL-USB alone", async (context) => {
  const bed = await prepareBed(cacheFolder(), (line) => context.diagnostic(line));
  const userland = new Userland(join(bed, "debian"));
  const python = async (...args: readonly string[]): Promise<string> => {
    const [loader = "", ...argv] = [...userland.program("usr/bin/python3"), "-B", ...args];
    const env = { PYTHONHOME: join(userland.root, "usr") };
    const run = promisify(execFile)(loader, argv, { cwd: CLIENT, env, timeout: 60_000 });
    // What it printed says what is wrong.
    const { stdout, stderr } = await run.catch((failed) => assert.fail(`${failed.stdout}${failed.stderr}`));
    return `${stdout}${stderr}`;
  };

  await context.test("reads the examples of the document, and tests itself", async () => {
    assert.match(await python("-m", "unittest"), /^Ran [1-9]\d* tests/m);
  });

  await context.test("finds the host to do what the document says", async () => {
    const host = new RunningUsbferry(["serve", "--listen", "wslusb+tcp:127.0.0.1:0", ...GADGETS]);
    try {
      await host.until("Stop with Ctrl+C");
      const port = /tcp:127\.0\.0\.1:(\d+)/.exec(host.stdout)?.[1];
      assert.match(await python("check.py", `tcp:127.0.0.1:${port}`), /^ok /m);
    } finally {
      await host.end("SIGKILL");
    }
  });
});
