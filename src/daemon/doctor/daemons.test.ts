import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { RunningUsbferry } from "../../../test/support/usbferry.ts";
import type { ControlPlace } from "../api/control-place.ts";
import { Daemons, DaemonsCheck } from "./daemons.ts";
import type { Finding } from "./examination.ts";

const folder = mkdtempSync(join(tmpdir(), "usbferry-daemons-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const unix = (name: string): ControlPlace => ({ kind: "unix", path: join(folder, name) });
const NOBODY = unix("nobody.sock");

/** What is found where the host is controlled there, and no agent runs. */
function look(host: ControlPlace | undefined, hasFolder = true): Promise<readonly Finding[]> {
  return new DaemonsCheck(new Daemons({ host, agent: NOBODY }), hasFolder).run();
}

async function codes(host: ControlPlace | undefined): Promise<readonly string[]> {
  return (await look(host)).map(({ code }) => code);
}

/** A program at a control socket that answers with these headers and this text. */
async function answering(
  name: string,
  headers: Readonly<Record<string, string>>,
  text: string,
): Promise<() => void> {
  const server = createServer((_, response) => {
    for (const [header, value] of Object.entries(headers)) response.setHeader(header, value);
    response.end(text);
  }).listen(join(folder, name));
  await once(server, "listening");
  return () => {
    server.close();
  };
}

test("a host that runs is told, and one that is stopped is silent", async () => {
  const place = unix("serve.sock");
  const running = new RunningUsbferry(
    ["serve", "--listen", `unix:${folder}/usbip.sock`, "--gadget", "zero"],
    {
      USBFERRY_CONTROL: join(folder, "serve.sock"),
    },
  );
  try {
    await running.until("usbip.sock");
    const [finding] = await look(place);
    assert.equal(finding!.code, "DAEMONS_ANSWER");
    assert.match(finding!.what, new RegExp(`the host \\(${running.process.pid}\\) of version`));
    running.process.kill("SIGSTOP");
    const [silent] = await look(place);
    assert.equal(silent!.code, "DAEMON_SILENT");
    assert.match(silent!.what, /does not answer within 3 s/);
  } finally {
    running.process.kill("SIGCONT");
    await running.end("SIGTERM");
  }
});

test("no daemon is no trouble, and a user without a runtime folder is told what that costs", async () => {
  assert.deepEqual(await codes(NOBODY), ["NO_DAEMONS"]);
  const [finding] = await look(undefined, false);
  assert.deepEqual([finding!.code, finding!.severity], ["RUNTIME_FOLDER_MISSING", "note"]);
  assert.match(finding!.next!.join("\n"), /XDG_RUNTIME_DIR.*\n.*--control/);
});

test("a daemon of another version is told with both", async () => {
  const state = JSON.stringify({ role: "host", version: "0.0.9", pid: 4711 });
  const close = await answering("old.sock", { "usbferry-version": "0.0.9" }, state);
  const [finding] = await look(unix("old.sock"));
  close();
  assert.equal(finding!.code, "DAEMON_VERSION");
  assert.match(finding!.what, /is of version 0\.0\.9, this command of \d/);
  assert.match(finding!.next![0]!, /4711/);
});

test("a stranger at the control socket is told", async () => {
  const close = await answering("stranger.sock", {}, "hello");
  const [finding] = await look(unix("stranger.sock"));
  close();
  assert.equal(finding!.code, "DAEMON_BROKEN");
  assert.match(finding!.why!, /is no usbferry/);
});
