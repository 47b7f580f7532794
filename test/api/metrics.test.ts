import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Direction } from "../../bench/case.ts";
import { LoadClient } from "../../bench/load.ts";
import { Agent } from "../../src/daemon/agent.ts";
import { agentApp } from "../../src/daemon/api/agent-app.ts";
import { ControlServer } from "../../src/daemon/api/control-server.ts";
import { EventLog } from "../../src/daemon/event-log.ts";
import { exposition } from "../../src/daemon/figures/exposition.ts";
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import { PassingState } from "../../src/daemon/state/open-wishes.ts";
import { WISHES, WishList } from "../../src/daemon/state/wishes.ts";
import { Vhci } from "../../src/vhci/vhci.ts";
import { vhciInFolder } from "../support/vhci-in-folder.ts";
import { call, type Place } from "./api-client.ts";
import { ApiDaemon } from "./api-daemon.ts";

interface ParsedFamily {
  readonly name: string;
  readonly help: string;
  readonly type: "COUNTER" | "GAUGE" | "HISTOGRAM" | "UNTYPED";
  readonly metrics: readonly {
    readonly value: string;
    readonly labels?: {
      readonly endpoint?: string;
      readonly le?: string;
      readonly [name: string]: string | undefined;
    };
  }[];
}

/** A parser of the text format that knows nothing of ours. */
const parse = createRequire(import.meta.url)("parse-prometheus-text-format") as (
  text: string,
) => readonly ParsedFamily[];

const SIZE = 512;
const log = { info() {}, warn() {} };
const load = LoadClient.build();
const manual = readFileSync(fileURLToPath(new URL("../../../docs/metrics.md", import.meta.url)), "utf8");

async function scrape(place: Place, headers = {}): Promise<readonly ParsedFamily[]> {
  const reply = await call(place, { method: "GET", path: "/metrics", headers });
  assert.equal(reply.status, 200, reply.text);
  assert.equal(reply.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
  // It takes a histogram for one series, whatever its labels; without the type it reads each line as it stands.
  const lines = reply.text.split("\n").filter((line) => !/^# .*usbferry_urb_duration_seconds/.test(line));
  const typed = parse(reply.text);
  return [...typed, ...parse(lines.join("\n")).filter(({ type }) => type === "UNTYPED")];
}

function samples(families: readonly ParsedFamily[], name: string): ParsedFamily["metrics"] {
  return families.filter((family) => family.name === name).flatMap(({ metrics }) => metrics);
}

/** The sum of the samples of a family that have these labels. */
function sum(families: readonly ParsedFamily[], name: string, labels: Record<string, string>): number {
  return samples(families, name)
    .filter((metric) => Object.entries(labels).every(([key, value]) => metric.labels?.[key] === value))
    .reduce((all, { value }) => all + Number(value), 0);
}

/** Buckets of an endpoint grow up to its count. */
function judgeHistogram(families: readonly ParsedFamily[], endpoint: string): void {
  const buckets = samples(families, "usbferry_urb_duration_seconds_bucket")
    .filter(({ labels }) => labels?.endpoint === endpoint)
    .map(({ labels, value }) => [Number(labels!.le!.replace("+Inf", "Infinity")), Number(value)] as const);
  assert.deepEqual([buckets.length, buckets.at(-1)![0]], [26, Number.POSITIVE_INFINITY]);
  for (const [n, [le, value]] of buckets.slice(1).entries()) {
    assert(le > buckets[n]![0] && value >= buckets[n]![1]);
  }
  assert.equal(buckets.at(-1)![1], sum(families, "usbferry_urb_duration_seconds_count", { endpoint }));
  assert(sum(families, "usbferry_urb_duration_seconds_sum", { endpoint }) > 0);
}

for (const thread of ["worker", "main"]) {
  test(`the metrics of what the ${thread} has carried are what the load client has counted`, async (t) => {
    const words = ["--gadget", "zero", "--gadget", "zero", "--data-plane", thread];
    const daemon = await ApiDaemon.start(t, "serve", ...words);
    const port = Number(daemon.usbip.split(":").at(-1));
    const counted = { in: 0, out: 0 };
    // Sums go on from one session to the next.
    for (const direction of ["in", "out", "in"] satisfies Direction[]) {
      const times = { warmMs: 20, measureMs: 60_000, urbs: 3_000 };
      // oxlint-disable-next-line no-await-in-loop -- the device is for one client at a time
      counted[direction] += (
        await load.run(port, { direction, size: SIZE, depth: 32 }, times, undefined)
      ).urbs;
    }
    // The client does not count SET_CONFIGURATION of each run, and one transfer whose bytes it looks at.
    const urbs = { in: counted.in + 2, out: counted.out + 1 };
    let families: readonly ParsedFamily[];
    do {
      // oxlint-disable-next-line no-await-in-loop -- until the last session is over
      families = await scrape(daemon.place);
    } while (sum(families, "usbferry_device_info", {}) > 0);
    const total = (name: string, endpoint?: string) =>
      sum(families, name, { device: "zero", ...(endpoint !== undefined && { endpoint }) });
    assert.equal(total("usbferry_urbs_total"), urbs.in + urbs.out + 3);
    assert.deepEqual(
      ["0x81", "0x01", "0x00"].map((endpoint) => total("usbferry_urbs_total", endpoint)),
      [urbs.in, urbs.out, 3],
    );
    assert.deepEqual(
      ["0x81", "0x01", "0x00"].map((endpoint) => total("usbferry_bytes_total", endpoint)),
      [urbs.in * SIZE, urbs.out * SIZE, 0],
    );
    assert.equal(total("usbferry_urb_duration_seconds_count"), urbs.in + urbs.out + 3);
    assert.equal(total("usbferry_urb_errors_total"), 0);
    for (const endpoint of ["0x81", "0x01", "0x00"]) judgeHistogram(families, endpoint);
    assert.equal(sum(families, "usbferry_events_total", { kind: "attached" }), 3);
    assert.equal(sum(families, "usbferry_events_total", { kind: "detached" }), 3);
    assert.equal(sum(families, "usbferry_devices", { state: "free" }), 2);
    await daemon.stop();
  });
}

test("docs/metrics.md has every name with its type, and no other", async (t) => {
  const documented = Array.from(
    manual.matchAll(/^\| `(\w+)` \| (counter|gauge|histogram) \|/gm),
    ([, name, type]) => `${name} ${type}`,
  );
  const host = await ApiDaemon.start(t, "serve", "--gadget", "zero");
  const agent = await ApiDaemon.start(t, "agent");
  const families = [...(await scrape(host.place)), ...(await scrape(agent.place))];
  const told = families
    .filter(({ type }) => type !== "UNTYPED")
    .map(({ name, type }) => `${name} ${type.toLowerCase()}`);
  assert.deepEqual(documented.toSorted(), Array.from(new Set(told)).toSorted());
  await host.stop();
  await agent.stop();
});

test("health needs no token, metrics do, and neither is for web pages", async (t) => {
  const daemon = await ApiDaemon.start(t, "serve", "--gadget", "zero");
  const get = async (path: string, headers = {}): Promise<number> =>
    (await call(daemon.tcp, { method: "GET", path, headers })).status;
  assert.deepEqual([await get("/health"), await get("/metrics")], [200, 401]);
  assert.equal(await get("/health", { origin: "http://evil.example" }), 403);
  assert.equal(await get("/health?x=1"), 401);
  const authorization = `Bearer ${daemon.token}`;
  assert((await scrape(daemon.tcp, { authorization })).length > 10);
  const health = await call(daemon.place, { method: "GET", path: "/health" });
  assert.equal((JSON.parse(health.text) as { status: string }).status, "ok");
  await daemon.stop();
});

test("an agent is healthy as long as its kernel takes devices, and says what to do where it does not", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "usbferry-health-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const health = async (vhci: Vhci, name: string) => {
    const wishes = new WishList(new PassingState(WISHES.empty));
    const agent = new Agent(vhci, new LibuvLoop(), log, new EventLog(), wishes);
    const socketPath = join(folder, name);
    const app = () => agentApp(agent, log);
    const control = await ControlServer.start({
      role: "agent",
      places: [{ kind: "unix", path: socketPath }],
      load: app,
    });
    t.after(() => control.stop());
    const { status, text } = await call({ socketPath }, { method: "GET", path: "/health" });
    const { code, message } = JSON.parse(text) as { code?: string; message?: string };
    return { status, code, message };
  };
  assert.equal((await health(vhciInFolder(folder), "well.sock")).status, 200);
  const { status, code, message } = await health(new Vhci(join(folder, "nothing")), "ill.sock");
  assert.deepEqual([status, code], [503, "UNHEALTHY"]);
  assert.match(message!, /vhci/);
});

test("a name of a stranger breaks no line", () => {
  const strange = [{ labels: { device: 'a"b\\c\nd 1' }, value: 2 }];
  const text = exposition([{ name: "x_total", type: "counter", help: "y", samples: strange }]);
  assert.deepEqual(parse(text)[0]!.metrics, [{ value: "2", labels: { device: 'a"b\\c\nd 1' } }]);
});
