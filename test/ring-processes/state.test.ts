import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Agent } from "../../src/daemon/agent.ts";
import { agentApp } from "../../src/daemon/api/agent-app.ts";
import { ControlServer } from "../../src/daemon/api/control-server.ts";
import type { Given } from "../../src/daemon/api/documents/document.ts";
import type { RingFigures } from "../../src/daemon/api/documents/figures.ts";
import { EventLog } from "../../src/daemon/event-log.ts";
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import { PassingState } from "../../src/daemon/state/open-wishes.ts";
import { WISHES, WishList } from "../../src/daemon/state/wishes.ts";
import { isInUse } from "../../src/vhci/port-status.ts";
import { KernelInFolder } from "../support/kernel-in-folder.ts";
import { onLinux } from "../support/poll-loop.ts";
import { RunningUsbferry } from "../support/usbferry.ts";
import type { SideMessage } from "./side-message.ts";

type Ring = Given<typeof RingFigures.static>;

interface StateDocument {
  readonly host?: { readonly sessions: readonly { readonly device?: object; readonly ring?: Ring }[] };
  readonly agent?: { readonly devices: readonly { readonly busid: string; readonly ring?: Ring }[] };
}

const GUEST = fileURLToPath(new URL("./served-guest.js", import.meta.url));
const SLOTS = 2_015;

const root = mkdtempSync(join(tmpdir(), "usbferry-ring-state-"));
after(() => rmSync(root, { recursive: true }));

/** A host with a gadget at a ring, and the environment in which `usbferry state` finds it. */
async function serving(context: TestContext) {
  const folder = mkdtempSync(join(root, "host-"));
  const path = join(folder, "ring");
  const environment = {
    USBFERRY_CONTROL: join(folder, "serve.sock"),
    USBFERRY_AGENT: join(folder, "agent.sock"),
  };
  const host = new RunningUsbferry(["serve", "--listen", `ring:${path}`, "--gadget", "zero"], environment);
  context.after(() => void host.process.kill("SIGKILL"));
  await host.until("Stop with");
  return { folder, path, environment };
}

async function state(environment: Record<string, string>, ...args: readonly string[]): Promise<string> {
  const asked = new RunningUsbferry(["state", ...args], environment);
  await once(asked.process, "close");
  assert.equal(asked.process.exitCode, 0, asked.stderr);
  return asked.stdout;
}

test("usbferry state tells of a ring at the host while messages pass", onLinux, async (context) => {
  const { path, environment } = await serving(context);
  const guest = fork(GUEST, [path]);
  context.after(() => void guest.kill("SIGKILL"));
  await new Promise<void>((resolve) => {
    guest.on("message", (told: SideMessage) => {
      if (told.what === "progress" && told.messages >= 500) resolve();
    });
  });
  const { host } = JSON.parse(await state(environment)) as StateDocument;
  const session = host!.sessions.find(({ ring }) => ring !== undefined);
  assert(session?.ring !== undefined && session.device !== undefined);
  const { ring } = session;
  assert.deepEqual([ring.hostEpoch, ring.guestEpoch, ring.slots.count], [1, 1, SLOTS]);
  assert.deepEqual(
    [ring.incoming.size, ring.outgoing.size, ring.slots.size],
    [256 << 10, 256 << 10, 16 << 10],
  );
  assert(ring.urbs >= 1_000 && ring.bytesIn > 0 && ring.bytesOut > 0, JSON.stringify(ring));
  assert(ring.incoming.peak >= 128 && ring.incoming.peak <= ring.incoming.size);
  const { p50Us, p99Us, p999Us } = ring.latency;
  assert(0 < p50Us && p50Us <= p99Us && p99Us <= p999Us);
  // A quarter of the messages stand within their URBs, and OUT data of the others are copied.
  assert(ring.copiesPerUrb > 0.5 && ring.copiesPerUrb < 2, `${ring.copiesPerUrb} copies`);
  assert.deepEqual(ring.refusals, {});
  const text = await state(environment, "--text");
  assert.match(text, /^RING +EPOCHS .*P50 US +P99 US +P99\.9 US +COPIES\/URB +REFUSED$/m);
  assert.match(text, /^s\d+ +host 1, guest 1 +\d+\.\d %, at most \d+\.\d % +\d+\.\d % .* of 2015 /m);
});

test("usbferry state tells of a ring at the agent that has attached its device", onLinux, async (context) => {
  const { folder, path, environment } = await serving(context);
  const log = { info() {}, warn() {} };
  const { vhci } = new KernelInFolder(folder, { hs: 1, ss: 1 });
  const wishes = new WishList(new PassingState(WISHES.empty));
  const agent = new Agent(vhci, new LibuvLoop(), log, new EventLog(), wishes);
  const control = await ControlServer.start({
    role: "agent",
    places: [{ kind: "unix", path: environment.USBFERRY_AGENT }],
    load: () => agentApp(agent, log),
  });
  context.after(async () => {
    agent.endWaiting();
    await agent.stop();
    control.stop();
    while (vhci.ports().some(isInUse)) await sleep(5);
  });
  await agent.attach(`ring:${path}`, "zero", new AbortController().signal);
  const document = JSON.parse(await state(environment)) as StateDocument;
  const [device] = document.agent!.devices;
  assert(device?.ring !== undefined);
  const { ring } = device;
  assert.deepEqual([device.busid, ring.hostEpoch, ring.guestEpoch, ring.slots.count], ["zero", 1, 1, SLOTS]);
  assert.deepEqual([ring.slots.used, ring.inFlight, ring.outgoing.used], [0, 0, 0]);
  const atHost = document.host!.sessions.find(({ ring: other }) => other !== undefined)?.ring;
  assert.deepEqual([atHost?.hostEpoch, atHost?.guestEpoch, atHost?.urbs], [1, 1, ring.urbs]);
  assert.match(await state(environment, "--text"), /^port 0 +host 1, guest 1 /m);
});
