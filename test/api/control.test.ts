import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { RunningUsbferry, usbferry } from "../support/usbferry.ts";
import { call, json } from "./api-client.ts";
import { ApiDaemon } from "./api-daemon.ts";

const folder = mkdtempSync(join(tmpdir(), "usbferry-control-"));
after(() => rmSync(folder, { recursive: true }));
let count = 0;
const freshPath = (): string => join(folder, `${count++}`, "deep", "serve.sock");

async function serving(path: string, ...args: readonly string[]): Promise<RunningUsbferry> {
  const argv = ["serve", "--listen", "tcp:127.0.0.1:0", "--gadget", "zero", "--control", path, ...args];
  const host = new RunningUsbferry(argv);
  await host.until("Controlled at");
  return host;
}

const permissions = (path: string): string => (statSync(path).mode & 0o777).toString(8);

test("the socket is its owner's and a group's, and so is the folder that is made for it", async () => {
  const path = freshPath();
  const host = await serving(path);
  assert.deepEqual([permissions(path), permissions(join(path, ".."))], ["660", "750"]);
  assert.equal((await host.end("SIGTERM")).code, 0);
  assert(!existsSync(path), "it goes with the host");
});

test("a group by its number may be named", { skip: process.getuid?.() !== 0 }, async () => {
  const path = freshPath();
  const host = await serving(path, "--control-group", "54321");
  assert.deepEqual(
    [statSync(path).gid, statSync(join(path, "..")).gid, permissions(path)],
    [54321, 54321, "660"],
  );
  await host.end("SIGTERM");
});

test("a second host at the same place is told of the first; a dead one's socket is replaced", async () => {
  const path = freshPath();
  const first = await serving(path);
  const second = usbferry(["serve", "--listen", "tcp:127.0.0.1:0", "--gadget", "zero", "--control", path]);
  assert.deepEqual([second.code, second.stdout], [1, ""]);
  assert.match(second.stderr, /^usbferry: error: another usbferry host is controlled at .*--control PATH/);
  await first.end("SIGKILL");
  assert(existsSync(path));
  const third = await serving(path);
  const devices = (await json({ socketPath: path }, "/v1/devices")) as object[];
  assert.equal(devices.length, 1);
  await third.end("SIGTERM");
});

test("a file that is no socket is left alone", () => {
  const path = join(folder, "file");
  writeFileSync(path, "mine");
  const { code, stderr } = usbferry([
    "serve",
    "--listen",
    "tcp:127.0.0.1:0",
    "--gadget",
    "zero",
    "--control",
    path,
  ]);
  assert.equal(code, 1);
  assert.match(stderr, /a file that is not a socket is in the way \(EEXIST\)/);
});

test("the token stands in a file of its owner, is new each time, and goes with the host", async (context) => {
  const daemon = await ApiDaemon.start(context, "serve", "--gadget", "zero");
  const path = daemon.environment.USBFERRY_TOKEN;
  const { token } = daemon;
  assert.equal(permissions(path), "600");
  assert(
    !`${daemon.running.stdout}${daemon.running.stderr}`.includes(token),
    "the token itself is told to nobody",
  );
  await daemon.stop();
  assert(!existsSync(path));
  const other = await ApiDaemon.start(context, "serve", "--gadget", "zero");
  assert.notEqual(other.token, token);
  const environment = {
    ...other.environment,
    USBFERRY_CONTROL: `tcp:${(other.tcp as { port: number }).port}`,
  };
  assert.match(usbferry(["list"], environment).stdout, /^zero .* Shared$/m, "the command reads the token");
  await other.stop();
});

test("without a daemon every command says what to start", () => {
  const environment = {
    USBFERRY_CONTROL: join(folder, "none.sock"),
    USBFERRY_AGENT: join(folder, "no-agent.sock"),
  };
  const cases: readonly (readonly [string, RegExp])[] = [
    [
      `list --control ${environment.USBFERRY_CONTROL}`,
      /no usbferry host runs here \(unix:.*none\.sock\)\. Start one with `usbferry serve`/,
    ],
    ["state", /neither a host \(.*\) nor an agent \(.*\) runs here\. Start a host with `usbferry serve/],
    ["kick s1", /no usbferry host runs here/],
    ["kick 0", /no agent runs .* `usbferry ports`/],
  ];
  for (const [line, reason] of cases) {
    const { code, stdout, stderr } = usbferry(line.split(" "), environment);
    assert.deepEqual([code, stdout], [1, ""], line);
    assert.match(stderr, reason);
  }
  const off = usbferry(["kick", "s1"], { USBFERRY_CONTROL: "off" });
  assert.deepEqual([off.code, off.stdout], [1, ""]);
});

test("list, state and kick print one JSON document of host and agent", async (context) => {
  const host = await ApiDaemon.start(context, "serve", "--gadget", "zero");
  const agent = await ApiDaemon.start(context, "agent");
  const environment = { ...host.environment, USBFERRY_AGENT: agent.environment.USBFERRY_AGENT };
  const { devices } = JSON.parse(usbferry(["list", "--json"], environment).stdout) as {
    devices: { busid: string; state: string; device: string }[];
  };
  assert.deepEqual(
    devices.map(({ busid, state, device }) => [busid, state, device]),
    [["zero", "free", "Vendor specific"]],
  );
  const state = JSON.parse(usbferry(["state"], environment).stdout) as {
    host: { role: string; pid: number; addresses: string[] };
    agent: { role: string; pid: number; waiting: string[] };
  };
  assert.deepEqual(
    [state.host.role, state.host.pid, state.host.addresses],
    ["host", host.running.process.pid, [host.usbip]],
  );
  assert.deepEqual([state.agent.role, state.agent.pid], ["agent", agent.running.process.pid]);
  const notThere = usbferry(["kick", "7"], environment);
  assert.deepEqual([notThere.code, notThere.stdout], [1, ""]);
  assert.match(notThere.stderr, /the agent keeps nothing on port 7/);
  await host.stop();
  await agent.stop();
});

test("a second agent is told of the first", async (context) => {
  const agent = await ApiDaemon.start(context, "agent");
  const { code, stderr } = usbferry(["agent"], agent.environment);
  assert.equal(code, 1);
  assert.match(stderr, /another usbferry agent listens at/);
  await agent.stop();
});

for (const [what, answer, reason] of [
  ["speaks another protocol", '{"answer":"failure"}\n', /ended before it answered, or is of another version/],
  ["is another HTTP server", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", /is no usbferry of version/],
  [
    "is of another version",
    'HTTP/1.1 404 Not Found\r\nusbferry-version: 9.9.9\r\nContent-Length: 36\r\n\r\n{"code":"NOT_FOUND","message":"no."}',
    /is of version 9\.9\.9, this command of \d/,
  ],
] as const) {
  test(`what listens there and ${what} is told as that`, async () => {
    const path = join(folder, `other-${count++}.sock`);
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end(answer));
    }).listen(path);
    await new Promise((resolve) => server.once("listening", resolve));
    const list = new RunningUsbferry(["list"], { USBFERRY_CONTROL: path });
    await list.until("error");
    await new Promise((resolve) => list.process.once("close", resolve));
    assert.match(list.stderr, reason);
    assert.equal(list.process.exitCode, 1);
    server.close();
  });
}

test("the stock HTTP client of the manual works: a POST, and a DELETE without a body", async (context) => {
  const daemon = await ApiDaemon.start(context, "serve", "--gadget", "zero");
  const headers = { "content-type": "application/json" };
  const plugged = await call(daemon.place, {
    method: "POST",
    path: "/v1/gadgets",
    headers,
    body: '{"gadget":"serial,bridge=pty"}',
  });
  const { busid, note } = JSON.parse(plugged.text) as { busid: string; note: string };
  assert.equal(busid, "serial");
  const pty = /\/dev\/pts\/\d+/.exec(note)![0];
  assert(existsSync(pty));
  assert.equal((await call(daemon.place, { method: "DELETE", path: "/v1/gadgets/serial" })).status, 200);
  assert(!existsSync(pty), "what stood behind it is given back");
  await daemon.stop();
});
