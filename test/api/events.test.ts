import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { API_LIMITS } from "../../src/daemon/api/api-limits.ts";
import { EventStreams } from "../../src/daemon/api/event-stream.ts";
import { EventLog } from "../../src/daemon/event-log.ts";
import { json } from "./api-client.ts";
import { ApiDaemon } from "./api-daemon.ts";
import { EventReader } from "./event-reader.ts";

const plug = (daemon: ApiDaemon, gadget: string) => json(daemon.place, "/v1/gadgets", "POST", { gadget });
const unplug = (daemon: ApiDaemon, busid: string) => json(daemon.place, `/v1/gadgets/${busid}`, "DELETE");

test("events come as they happen, and a reader resumes where it was", async (context) => {
  const daemon = await ApiDaemon.start(context, "serve", "--gadget", "zero");
  const { sequence } = (await json(daemon.place, "/v1/state")) as { sequence: number };
  const all = new EventReader(daemon.place);
  const removals = new EventReader(daemon.place, "?kind=removed,error");
  await all.until(({ begun }) => begun);
  await removals.until(({ begun }) => begun);
  await plug(daemon, "mouse");
  await unplug(daemon, "mouse");
  await plug(daemon, "mouse,vid=1234");
  await all.until(({ events }) => events.length === 3);
  await removals.until(({ events }) => events.length === 1);
  assert.deepEqual(
    all.events.map(({ kind, device }) => [kind, device?.busid, device?.vid]),
    [
      ["added", "mouse", "1209"],
      ["removed", "mouse", "1209"],
      ["added", "mouse", "1234"],
    ],
  );
  assert.deepEqual(all.ids, [sequence + 1, sequence + 2, sequence + 3]);
  assert.deepEqual(removals.ids, [sequence + 2]);
  const resumed = new EventReader(daemon.place, "", `Last-Event-ID: ${sequence + 1}\r\n`);
  await resumed.until(({ events }) => events.length === 2);
  assert.deepEqual(resumed.ids, [sequence + 2, sequence + 3]);
  const fromAnotherRun = new EventReader(daemon.place, "", `Last-Event-ID: ${sequence + 1_000_000}\r\n`);
  await fromAnotherRun.until(({ ids }) => ids.at(-1) === sequence + 3);
  for (const reader of [all, removals, resumed, fromAnotherRun]) reader.close();
  await daemon.stop();
});

/** Streams over a real socket, in this process so that their limits can be small. */
async function streaming(limits: Partial<typeof API_LIMITS>, log = new EventLog(0)) {
  const streams = new EventStreams(log, { ...API_LIMITS, ...limits });
  const server = createServer((request, response) => {
    const last = request.headers["last-event-id"];
    streams.open(response, last === undefined ? undefined : Number(last), undefined);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const place = { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
  let closed = 0;
  server.on("connection", (socket) => socket.once("close", () => closed++));
  const stop = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { log, place, streams, stop, cut: () => closed };
}

test("a reader that does not keep up is cut, another one misses nothing, and the gap tells of it", async (context) => {
  const { log, place, stop, cut } = await streaming({});
  context.after(() => stop());
  const slow = new EventReader(place);
  const quick = new EventReader(place);
  await slow.until(({ begun }) => begun);
  await quick.until(({ begun }) => begun);
  log.publish("error", { reason: "the last that it reads" });
  await slow.until(({ ids }) => ids.length === 1);
  slow.socket.pause();
  const reason = "x".repeat(400);
  let published = 1;
  // The kernel takes some megabytes before the backlog is the daemon's.
  while (cut() === 0) {
    assert(published < 100_000, "a reader that does not read was not cut");
    for (let i = 0; i < 20; i++, published++) log.publish("error", { reason });
    await quick.until(({ ids }) => ids.at(-1) === published);
  }
  // What was on its way is lost with the connection: it has seen the first one for certain.
  slow.close();
  assert(published > 256, "less than is kept was enough");
  const back = new EventReader(place, "", "Last-Event-ID: 1\r\n");
  await back.until(({ ids }) => ids.at(-1) === published);
  assert(back.ids[0]! > 2, "there is a gap");
  quick.close();
  back.close();
});

test("a heartbeat keeps a stream alive that has nothing to tell", async (context) => {
  const { place, stop } = await streaming({ heartbeatMs: 20 });
  context.after(() => stop());
  const reader = new EventReader(place);
  await reader.until(({ heartbeats }) => heartbeats > 2);
  reader.close();
});

test("there is room for so many readers and no more", async (context) => {
  const { place, streams, stop } = await streaming({ streams: 2 });
  context.after(() => stop());
  const readers = [new EventReader(place), new EventReader(place)];
  for (const reader of readers) await reader.until(({ begun }) => begun);
  assert.throws(() => streams.admit(), /2 clients read events/);
  readers[0]!.close();
  const endMs = performance.now() + 10_000;
  for (;;) {
    try {
      streams.admit();
      break;
    } catch (error) {
      if (performance.now() > endMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  readers[1]!.close();
});
