import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { LoadClient } from "../../bench/load.ts";
import { Agent } from "../../src/daemon/agent.ts";
import { agentApp } from "../../src/daemon/api/agent-app.ts";
import { ControlServer } from "../../src/daemon/api/control-server.ts";
import { EventLog } from "../../src/daemon/event-log.ts";
import type { DeviceFigures } from "../../src/daemon/figures/device-figures.ts";
import type { Figures } from "../../src/daemon/figures/live-figures.ts";
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import { dialPlace } from "../../src/daemon/place.ts";
import { PassingState } from "../../src/daemon/state/open-wishes.ts";
import { WISHES, WishList } from "../../src/daemon/state/wishes.ts";
import { HostConnection } from "../../src/daemon/wslusb/host-connection.ts";
import { dial } from "../../src/links/dial.ts";
import { isInUse } from "../../src/vhci/port-status.ts";
import { LoopbackLoad } from "../ring-processes/loopback-load.ts";
import { KernelInFolder } from "../support/kernel-in-folder.ts";
import { onLinux } from "../support/poll-loop.ts";
import { submit } from "../support/usbip-wire-client.ts";
import { json, type Place } from "./api-client.ts";
import { ApiDaemon } from "./api-daemon.ts";
import { type OpenApi, SchemaJudge } from "./schema-judge.ts";
import { DOCUMENT_PATH } from "./whole-document.ts";

const GUEST = fileURLToPath(new URL("../ring-processes/served-guest.js", import.meta.url));
const judge = new SchemaJudge(JSON.parse(readFileSync(DOCUMENT_PATH, "utf8")) as OpenApi);
const load = LoadClient.build();
const log = { info() {}, warn() {} };
const folder = mkdtempSync(join(tmpdir(), "usbferry-figures-"));
after(() => rmSync(folder, { recursive: true }));

/** The figures of a daemon when they are as they should become. */
async function figuresOf(place: Place, device: string, good: (figures: DeviceFigures) => boolean) {
  const endMs = performance.now() + 30_000;
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- asked again until it is so
    const figures = (await json(place, "/v1/figures")) as Figures;
    assert.equal(judge.fault({ $ref: "#/components/schemas/Figures" }, figures), undefined);
    const found = figures.devices.find(({ device: { busid } }) => busid === device);
    if (found !== undefined && good(found)) return found;
    assert(performance.now() < endMs, JSON.stringify(figures));
    // oxlint-disable-next-line no-await-in-loop
    await sleep(50);
  }
}

/** Of a device that moves data both ways, whatever carries it. */
async function moving(place: Place): Promise<DeviceFigures> {
  const figures = await figuresOf(place, "zero", ({ now }) => now.endpoints.length >= 2);
  const { now, total, problems } = figures;
  assert(now.urbsPerSecond > 0 && now.bytesInPerSecond > 0 && now.bytesOutPerSecond > 0);
  for (const { p50Us, p99Us, p999Us } of [
    now.latency,
    total.latency,
    ...now.endpoints.map((e) => e.latency),
  ]) {
    assert(0 < p50Us && p50Us <= p99Us && p99Us <= p999Us);
  }
  for (const key of ["urbs", "bytes"] as const) {
    const sum = total.endpoints.reduce((all, endpoint) => all + endpoint[key], 0);
    assert.equal(sum, key === "urbs" ? total.urbs : total.bytesIn + total.bytesOut);
  }
  for (const { urbs, histogram } of total.endpoints) {
    assert.equal(
      histogram.reduce((sum, count) => sum + count, 0),
      urbs,
    );
  }
  assert.deepEqual([problems, now.errorsPerSecond], [[], 0]);
  return figures;
}

/** Moves data over WSL-USB, in this process, until the test is over. */
async function loadOverWslusb(context: TestContext, address: string): Promise<void> {
  const loop = new LibuvLoop();
  const connection = new HostConnection(await dial(dialPlace(address)), loop);
  const release = connection.hold();
  await connection.greet();
  const { device, remote } = await connection.import("zero");
  const loopback = new LoopbackLoad(device, loop, () => {});
  loopback.start();
  context.after(async () => {
    await new Promise<void>((done) => loopback.end(done));
    remote.close({ code: "OK", reason: "the test is done with it" });
    await remote.ended;
    release();
  });
}

for (const thread of ["worker", "main"]) {
  test(`figures tell what the ${thread} carries over USB/IP, and a stream tells them each second`, async (t) => {
    const daemon = await ApiDaemon.start(t, "serve", "--gadget", "zero", "--data-plane", thread);
    assert.deepEqual(((await json(daemon.place, "/v1/figures")) as Figures).devices, []);
    const streamed = streamOf(daemon.place, ({ devices }) => (devices[0]?.now.urbsPerSecond ?? 0) > 0);
    const port = Number(daemon.usbip.split(":").at(-1));
    const times = { warmMs: 0, measureMs: 4_000, urbs: 0 };
    const loaded = load.run(port, { direction: "in", size: 512, depth: 32 }, times, undefined);
    const { devices } = await streamed;
    const [{ device, session, link, now, total }] = devices as [DeviceFigures];
    const { urbs } = await loaded;
    assert.deepEqual(
      [device.busid, device.vid, device.pid, session, link],
      ["zero", "0525", "a4a0", "s1", "tcp"],
    );
    assert(total.urbs <= urbs + 2 && now.urbsPerSecond <= 2 * total.urbs);
    const bulk = now.endpoints.find(({ address }) => address === 0x81)!;
    assert.equal(bulk.bytesPerSecond, now.bytesInPerSecond);
    assert(bulk.latency.p50Us > 0 && bulk.latency.p99Us >= bulk.latency.p50Us);
    await daemon.stop();
  });
}

test("figures tell what a client of WSL-USB and a guest of shared memory do", onLinux, async (t) => {
  const ring = join(folder, "ring");
  const wslusb = await ApiDaemon.start(t, "serve", "--gadget", "zero");
  await loadOverWslusb(t, wslusb.usbip);
  const { session, link } = await moving(wslusb.place);
  // s1 is the connection itself.
  assert.deepEqual([session, link], ["s2", "tcp"]);
  const shared = await ApiDaemon.start(t, "serve", "--gadget", "zero", "--listen", `ring:${ring}`);
  const guest = fork(GUEST, [ring]);
  t.after(() => void guest.kill("SIGKILL"));
  assert.equal((await moving(shared.place)).session, "s2");
});

test("figures tell what the relay of an agent carries, and its errors in words", onLinux, async (t) => {
  const host = await ApiDaemon.start(t, "serve", "--gadget", "zero");
  const kernel = new KernelInFolder(mkdtempSync(join(folder, "kernel-")), { hs: 1, ss: 1 });
  const agent = new Agent(
    kernel.vhci,
    new LibuvLoop(),
    log,
    new EventLog(),
    new WishList(new PassingState(WISHES.empty)),
  );
  const place = { socketPath: join(folder, "agent.sock") };
  const control = await ControlServer.start({
    role: "agent",
    places: [{ kind: "unix", path: place.socketPath }],
    load: () => agentApp(agent, log),
  });
  t.after(async () => {
    await agent.stop();
    control.stop();
    while (kernel.vhci.ports().some(isInUse)) await sleep(5);
  });
  const { port } = await agent.attach(host.usbip, "zero", new AbortController().signal);
  const getDescriptor = { in: true, ep: 0, length: 18, setup: "80 06 0001 0000 1200" };
  kernel.send(port, (devid) => submit({ seqnum: 1, devid, ...getDescriptor }));
  // One that zero does not know, and an endpoint that it does not have.
  kernel.send(port, (devid) => submit({ seqnum: 2, devid, ...getDescriptor, setup: "80 06 00f0 0000 1200" }));
  kernel.send(port, (devid) => submit({ seqnum: 3, devid, in: true, ep: 9, length: 8 }));
  const figures = await figuresOf(place, "zero", ({ total }) => total.urbs === 3);
  const { device, peer, link, total, problems } = figures;
  assert.deepEqual([device.vid, figures.port, peer, link], ["0525", port, host.usbip, "tcp"]);
  assert.deepEqual([total.bytesIn, total.errors, total.inFlight], [18, { stall: 2 }, 0]);
  assert.deepEqual(problems, [
    {
      address: 0x80,
      status: "stall",
      urbs: 1,
      text: '1 URB of endpoint 0 IN ended with "stall": the device refuses the request, or the endpoint is halted.',
    },
    {
      status: "stall",
      urbs: 1,
      text:
        '1 URB of endpoints that it does not have ended with "stall": the device refuses the request, or the endpoint ' +
        "is halted.",
    },
  ]);
});

test("a reader of figures that does not read misses some and costs nothing, and others go on", async (t) => {
  const daemon = await ApiDaemon.start(t, "serve", "--gadget", "zero");
  const stuck = request({ ...daemon.place, path: "/v1/figures/events", agent: false });
  t.after(() => stuck.destroy());
  await new Promise<void>((begun) => {
    stuck.on("response", (response) => {
      response.pause();
      begun();
    });
    stuck.end();
  });
  let seen = 0;
  await streamOf(daemon.place, ({ devices }) => devices.length === 0 && ++seen === 3);
  stuck.destroy();
  await daemon.stop();
});

/** The first figures of the stream that are as they should become. */
function streamOf(place: Place, good: (figures: Figures) => boolean): Promise<Figures> {
  return new Promise((resolve, reject) => {
    const asking = request({ ...place, path: "/v1/figures/events", agent: false }, (response) => {
      assert.equal(response.headers["content-type"], "text/event-stream");
      let unread = "";
      response.setEncoding("utf8");
      response.on("data", (text: string) => {
        const frames = (unread + text).split("\n\n");
        unread = frames.pop()!;
        for (const frame of frames) {
          assert(frame.startsWith("event: figures\ndata: "));
          const figures = JSON.parse(frame.slice(frame.indexOf("{"))) as Figures;
          assert.equal(judge.fault({ $ref: "#/components/schemas/Figures" }, figures), undefined);
          if (!good(figures)) continue;
          resolve(figures);
          asking.destroy();
          return;
        }
      });
    });
    asking.on("error", reject);
    asking.end();
  });
}
