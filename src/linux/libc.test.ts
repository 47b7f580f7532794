import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const directory = mkdtempSync(join(tmpdir(), "usbferry-"));
after(() => rmSync(directory, { recursive: true }));
const withoutKoffi = join(directory, "without-koffi.cjs");
writeFileSync(
  withoutKoffi,
  `const Module = require("node:module");
   const load = Module._load;
   Module._load = (name, ...rest) => {
     if (name === "koffi") throw new Error("koffi is not there");
     return load(name, ...rest);
   };`,
);

/** Runs a module of the project in a process whose koffi cannot be loaded. */
function runWithoutKoffi(script: string): string {
  const argv = ["--require", withoutKoffi, "--input-type=module", "--eval", script];
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, { encoding: "utf8", timeout: 20_000 });
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

const room = (file: string) => JSON.stringify(new URL(file, import.meta.url).href);

test("without koffi this room imports, and its functions answer ENOSYS with the next step", () => {
  const output = runWithoutKoffi(`
    import { socketPair } from ${room("./socket-pair.js")};
    import { setKeepAlive } from ${room("./keep-alive.js")};
    import { watch } from ${room("./descriptor-watch.js")};
    const keepAlive = { idleSeconds: 1, intervalSeconds: 1, probes: 1, userTimeoutMs: 1000 };
    for (const error of [socketPair(), setKeepAlive(0, keepAlive), watch(0, "readable", () => {})]) console.log(error.message);
  `);
  for (const line of output.split("\n")) {
    assert.match(line, /^loading koffi failed: .*\(ENOSYS\)\. .*reinstall with `npm install`/);
  }
  assert.equal(output.split("\n").length, 3);
});

test("without koffi TCP links still carry bytes", () => {
  const output = runWithoutKoffi(`
    import { listen } from ${room("../links/listen.js")};
    import { dial } from ${room("../links/dial.js")};
    const listener = await listen({ kind: "tcp", host: "127.0.0.1", port: 0 }, (link) => {
      link.start((bytes) => link.write([bytes.slice()], () => {}), () => {});
    });
    const link = await dial(listener.address);
    link.start((bytes) => { console.log(String.fromCharCode(...bytes)); link.end(); listener.close(); }, () => {});
    link.write([new TextEncoder().encode("ferried")], () => {});
  `);
  assert.equal(output, "ferried");
});
