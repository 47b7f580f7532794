import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Agent } from "../../src/daemon/agent.ts";
import { agentApp } from "../../src/daemon/api/agent-app.ts";
import { ControlServer } from "../../src/daemon/api/control-server.ts";
import { EventLog } from "../../src/daemon/event-log.ts";
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import { PassingState } from "../../src/daemon/state/open-wishes.ts";
import { WISHES, WishList } from "../../src/daemon/state/wishes.ts";
import { vhciInFolder } from "../support/vhci-in-folder.ts";
import { call, json, open } from "./api-client.ts";

const log = { info() {}, warn() {} };

/** An agent whose kernel is a folder with one free port, and its API. */
async function agentWithFolder(context: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "usbferry-agent-"));
  const vhci = vhciInFolder(folder);
  const wishes = new WishList(new PassingState(WISHES.empty));
  const agent = new Agent(vhci, new LibuvLoop(), log, new EventLog(), wishes);
  const socketPath = join(folder, "agent.sock");
  const control = await ControlServer.start({
    role: "agent",
    places: [{ kind: "unix", path: socketPath }],
    load: () => agentApp(agent, log),
  });
  context.after(async () => {
    agent.endWaiting();
    await agent.stop();
    control.stop();
    rmSync(folder, { recursive: true });
  });
  return { agent, wishes, place: { socketPath } };
}

function post(path: string, body: object): string {
  const text = JSON.stringify(body);
  return (
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
  );
}

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 15_000;
  while (!(await condition())) {
    assert(performance.now() < endMs, `did not happen: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("a client that goes away takes its attachment back", async (context) => {
  const { place } = await agentWithFolder(context);
  const guests: Socket[] = [];
  const mute = createServer((socket) => void guests.push(socket)).listen(0, "127.0.0.1");
  context.after(() => mute.close());
  await new Promise((resolve) => mute.once("listening", resolve));
  const address = `tcp:127.0.0.1:${(mute.address() as AddressInfo).port}`;
  const client = open(place);
  client.write(post("/v1/attachments", { address, device: "zero" }));
  await until("the agent asks the host", () => guests.length === 1);
  let closed = false;
  guests[0]!.on("error", () => {});
  guests[0]!.once("close", () => {
    closed = true;
  });
  guests[0]!.resume();
  client.destroy();
  // Long before the host would be given up for its silence.
  const asked = performance.now();
  await until("the agent lets go of the host", () => closed);
  assert(performance.now() - asked < 5_000);
});

test("a client that goes away ends the waiting it has asked for", async (context) => {
  const { agent, wishes, place } = await agentWithFolder(context);
  const client = open(place);
  client.write(post("/v1/waiting", { address: "tcp:0", device: "zero" }));
  await until("the agent waits", () => agent.state.waiting.length === 1);
  assert.deepEqual(wishes.list(), agent.state.waiting, "with the port that the system has chosen");
  const state = (await json(place, "/v1/state")) as { waiting: object[] };
  assert.equal(state.waiting.length, 1);
  client.destroy();
  await until("the agent waits no more", () => agent.state.waiting.length === 0);
  assert.deepEqual(wishes.list(), []);
});

test("who asks for the same wish joins it, and the last one to go away takes it back", async (context) => {
  const { agent, wishes, place } = await agentWithFolder(context);
  const first = open(place);
  first.write(post("/v1/waiting", { address: "tcp:0", device: "zero" }));
  await until("the agent waits", () => wishes.list().length === 1);
  const [wish] = wishes.list();
  const second = new AbortController();
  const joined = agent.wait(wish!.address, "zero", second.signal);
  await assert.rejects(
    agent.wait(wish!.address, "other", second.signal),
    /address is already in use|EADDRINUSE/i,
  );
  first.destroy();
  const events = agent.events.last;
  await json(place, "/v1/state");
  assert.deepEqual(wishes.list(), [wish]);
  second.abort();
  await assert.rejects(joined, /was cancelled/);
  assert.deepEqual([wishes.list(), agent.state.waiting, agent.events.last], [[], [], events]);
});

test("who joins a wish that was taken up and goes away leaves it", async (context) => {
  const { agent, wishes } = await agentWithFolder(context);
  const wish = { address: "tcp:0", device: "zero" };
  await wishes.add(wish);
  await agent.takeUpWishes();
  const { address } = agent.state.waiting[0]!;
  await wishes.remove(wish.address);
  const client = new AbortController();
  const joined = agent.wait(address, "zero", client.signal);
  await until("it is kept", () => wishes.list().length === 1);
  client.abort();
  await assert.rejects(joined, /was cancelled/);
  assert.deepEqual([wishes.list(), agent.state.waiting.length], [[{ ...wish, address }], 1]);
});

test("an agent that ends keeps the wish of a client who still asks, and takes no more", async (context) => {
  const { agent, wishes, place } = await agentWithFolder(context);
  const client = new AbortController();
  const waiting = agent.wait("tcp:0", "zero", client.signal);
  await until("the agent waits", () => wishes.list().length === 1);
  const kept = wishes.list();
  agent.endWaiting();
  client.abort();
  await assert.rejects(waiting, /was cancelled/);
  await assert.rejects(json(place, "/v1/ports", "DELETE"), /409 .*the agent is ending/);
  await assert.rejects(agent.wait("tcp:0", undefined, new AbortController().signal), /the agent is ending/);
  assert.deepEqual(wishes.list(), kept);
});

test("detaching everything ends every wish, and tells who waits", async (context) => {
  const { agent, wishes, place } = await agentWithFolder(context);
  const waiting = agent.wait("tcp:0", undefined, new AbortController().signal);
  await until("the agent waits", () => wishes.list().length === 1);
  const [reply] = await Promise.all([
    json(place, "/v1/ports", "DELETE"),
    assert.rejects(waiting, /the waiting at tcp:127\.0\.0\.1:\d+ was ended/),
  ]);
  assert.deepEqual([reply, wishes.list(), agent.isIdle], [{ ports: [], wishes: [] }, [], true]);
});

test("failures have the kind that the command has", async (context) => {
  const { place } = await agentWithFolder(context);
  const ask = async (path: string, body: object): Promise<string> => {
    const headers = { "content-type": "application/json" };
    const reply = await call(place, { method: "POST", path, headers, body: JSON.stringify(body) });
    return `${reply.status} ${(JSON.parse(reply.text) as { code: string }).code}`;
  };
  assert.equal(await ask("/v1/attachments", { address: "3240", device: "zero" }), "422 WRONG_USAGE");
  assert.equal(await ask("/v1/attachments", { address: "tcp:1", device: "a b" }), "422 WRONG_USAGE");
  assert.equal(await ask("/v1/attachments", { address: "tcp:127.0.0.1:1", device: "zero" }), "409 FAILED");
  assert.equal(await ask("/v1/waiting", { address: "tcp:0.0.0.0:3240" }), "403 ACCESS_DENIED");
  assert.equal(await ask("/v1/ports/3/kick", {}), "404 NOT_FOUND");
  const ports = (await json(place, "/v1/ports")) as { ports: object[] };
  assert.deepEqual(ports.ports, []);
});

test("so many operations at once and no more", async (context) => {
  const { agent, place } = await agentWithFolder(context);
  const clients = Array.from({ length: 64 }, () => open(place));
  for (const client of clients) client.write(post("/v1/waiting", { address: "tcp:0" }));
  await until("64 of them wait", () => agent.state.waiting.length === 64);
  const reply = await call(place, {
    method: "POST",
    path: "/v1/waiting",
    headers: { "content-type": "application/json" },
    body: '{"address":"tcp:0"}',
  });
  assert.equal(reply.status, 503);
  assert.match(reply.text, /TOO_MANY_CLIENTS.*64 devices/);
  for (const client of clients) client.destroy();
  await until("none waits", () => agent.state.waiting.length === 0);
});
