import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { WISHES } from "../../src/daemon/state/wishes.ts";
import { call, json } from "../api/api-client.ts";
import { RunningUsbferry, usbferry } from "../support/usbferry.ts";

const WISHING_AGENT = fileURLToPath(new URL("wishing-agent.js", import.meta.url));

interface State {
  readonly waiting: readonly object[];
}

/** One agent after the other, with the same socket and the same state. */
class Agents {
  readonly folder = mkdtempSync(join(tmpdir(), "usbferry-wishes-"));
  readonly socketPath = join(this.folder, "agent.sock");
  readonly wish = { address: `unix:${this.folder}/guest.sock`, device: "zero" };
  readonly #context: TestContext;

  constructor(context: TestContext) {
    this.#context = context;
    context.after(() => rmSync(this.folder, { recursive: true }));
  }

  get file(): string {
    return join(this.folder, WISHES.file);
  }

  keep(...wishes: readonly object[]): void {
    writeFileSync(this.file, JSON.stringify({ version: 1, wishes }));
  }

  kept(): readonly object[] {
    if (!existsSync(this.file)) return [];
    return (JSON.parse(readFileSync(this.file, "utf8")) as { wishes: object[] }).wishes;
  }

  keptAttached(): readonly object[] {
    return (JSON.parse(readFileSync(this.file, "utf8")) as { auto?: object[] }).auto ?? [];
  }

  /** `usbferry agent`, once it answers. */
  async start(): Promise<RunningUsbferry> {
    const control = join(this.folder, "control.sock");
    const agent = new RunningUsbferry(["agent", "--state-dir", this.folder, "--control", control], {
      USBFERRY_AGENT: this.socketPath,
    });
    this.#context.after(() => agent.end("SIGKILL"));
    await agent.until("Controlled at");
    return agent;
  }

  async waiting(): Promise<readonly object[]> {
    return ((await json(this, "/v1/state")) as State).waiting;
  }
}

test("what an agent was asked to wait for outlives kill -9 and SIGTERM, until it is detached", async (context) => {
  const agents = new Agents(context);
  const first = spawn(process.execPath, [WISHING_AGENT, agents.folder, agents.socketPath], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  context.after(() => first.kill("SIGKILL"));
  await once(first.stdout, "data");
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify(agents.wish);
  const cut = assert.rejects(call(agents, { method: "POST", path: "/v1/waiting", headers, body }));
  const endMs = performance.now() + 10_000;
  while (agents.kept().length === 0) {
    assert(performance.now() < endMs, "the wish was not kept");
    // oxlint-disable-next-line no-await-in-loop -- a look at the file
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  first.kill("SIGKILL");
  await cut;

  for (const signal of ["SIGKILL", "SIGTERM", "SIGKILL"] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one agent after the other
    const agent = await agents.start();
    // oxlint-disable-next-line no-await-in-loop
    assert.deepEqual(await agents.waiting(), [agents.wish]);
    // oxlint-disable-next-line no-await-in-loop
    await agent.end(signal);
    assert.deepEqual(agents.kept(), [agents.wish]);
  }

  const last = await agents.start();
  assert.deepEqual(await json(agents, "/v1/ports", "DELETE"), { ports: [], wishes: [] });
  assert.deepEqual([await agents.waiting(), agents.kept()], [[], []]);
  await last.end("SIGKILL");
});

test("what is to be kept attached is durable before it is acknowledged, until it is ended", async (context) => {
  const agents = new Agents(context);
  const first = spawn(process.execPath, [WISHING_AGENT, agents.folder, agents.socketPath], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  context.after(() => first.kill("SIGKILL"));
  await once(first.stdout, "data");
  const address = `unix:${agents.folder}/no-host.sock`;
  const body = { address, devices: ["2341:8036", "2341:0036"], onAttach: ["/bin/true", "a b"] };
  const { wish, device } = (await json(agents, "/v1/wishes", "POST", body)) as {
    wish: { id: string; state: string; watching: string; reason: string };
    device?: object;
  };
  assert.deepEqual([wish.id, wish.state, wish.watching, device], ["w1", "waiting", "unreachable", undefined]);
  assert.match(wish.reason, /cannot reach/);
  first.kill("SIGKILL");
  await once(first, "exit");
  const kept = { id: "w1", ports: {}, ...body };
  assert.deepEqual(agents.keptAttached(), [kept]);

  const second = await agents.start();
  const { wishes } = (await json(agents, "/v1/state")) as { wishes: { id: string; devices: string[] }[] };
  assert.deepEqual(
    wishes.map(({ id, devices }) => [id, devices]),
    [["w1", body.devices]],
  );
  await second.end("SIGTERM");
  assert.deepEqual(agents.keptAttached(), [kept]);
  assert.match(second.stderr, /WISH_TAKEN_UP w1: 2341:8036 or 2341:0036 of unix:/);

  // Without an agent, too, and no id is given twice.
  const environment = { USBFERRY_AGENT: agents.socketPath, USBFERRY_STATE: agents.folder };
  assert.match(usbferry(["detach", "w1"], environment).stdout, /^Ended w1: it is not attached again\.\n$/);
  assert.equal(usbferry(["detach", "w1"], environment).code, 1);
  assert.deepEqual(agents.keptAttached(), []);
  assert.equal((JSON.parse(readFileSync(agents.file, "utf8")) as { next: number }).next, 2);
});

test("a wish of --auto that can be none is told, and keeps no other from being taken up", async (context) => {
  const agents = new Agents(context);
  const wrong = { id: "w1", address: "nonsense", devices: ["1-2"], ports: {} };
  const right = {
    id: "w2",
    address: `unix:${agents.folder}/no-host.sock`,
    devices: ["1-2"],
    ports: { hs: 3 },
  };
  writeFileSync(agents.file, JSON.stringify({ version: 1, wishes: [], next: 3, auto: [wrong, right] }));
  const agent = await agents.start();
  const { wishes } = (await json(agents, "/v1/state")) as { wishes: { id: string }[] };
  assert.deepEqual(
    wishes.map(({ id }) => id),
    ["w2"],
  );
  const { stderr } = await agent.end("SIGTERM");
  assert.match(stderr, /WISH_NOT_TAKEN_UP nonsense: .*nonsense.* is no address/);
  assert.deepEqual(agents.keptAttached(), [wrong, right]);
});

test("an agent that was started again takes what a host brings", async (context) => {
  const agents = new Agents(context);
  agents.keep(agents.wish);
  const agent = await agents.start();
  const host = new RunningUsbferry(["serve", "--gadget", "zero", "--connect", agents.wish.address]);
  context.after(() => host.end("SIGKILL"));
  // As far as it comes without the kernel's module, and no less.
  await agent.until("NOT_ATTACHED");
  assert.match(agent.stderr, /NOT_ATTACHED .*vhci_hcd/);
  assert.deepEqual(await agents.waiting(), [agents.wish]);
});

test("a wish that cannot be taken up is told, keeps no agent from starting, and is tried again", async (context) => {
  const agents = new Agents(context);
  const squatter = createServer().listen(0, "127.0.0.1");
  context.after(() => squatter.close());
  await once(squatter, "listening");
  const { port } = squatter.address() as { port: number };
  const taken = { address: `tcp:127.0.0.1:${port}` };
  const wrong = { address: "nonsense" };
  agents.keep(taken, wrong, agents.wish);
  const first = await agents.start();
  assert.deepEqual(await agents.waiting(), [agents.wish]);
  const { stderr: log } = await first.end("SIGTERM");
  assert.match(log, new RegExp(`WISH_NOT_TAKEN_UP ${taken.address}: .*EADDRINUSE`));
  assert.match(log, /WISH_NOT_TAKEN_UP nonsense: /);
  squatter.close();
  await once(squatter, "close");
  const second = await agents.start();
  assert.deepEqual((await agents.waiting()).length, 2);
  await second.end("SIGTERM");
  assert.deepEqual(agents.kept(), [taken, wrong, agents.wish]);
});

test("a wish that cannot be taken up is an event", async (context) => {
  const agents = new Agents(context);
  agents.keep({ address: "nonsense" });
  await agents.start();
  const asking = new AbortController();
  const text = await new Promise<string>((resolve, reject) => {
    const headers = { "last-event-id": "0" };
    const path = "/v1/events";
    request({ socketPath: agents.socketPath, path, headers, signal: asking.signal }, (answer) => {
      let seen = "";
      answer.setEncoding("utf8").on("error", () => {});
      answer.on("data", (chunk: string) => {
        seen += chunk;
        if (seen.includes("WISH_NOT_TAKEN_UP")) resolve(seen);
      });
      answer.on("end", () => reject(new Error(seen)));
    })
      .on("error", reject)
      .end();
  });
  asking.abort();
  assert.match(text, /"kind":"error".*"code":"WISH_NOT_TAKEN_UP"/);
});

test("two agents never have the same wishes", async (context) => {
  const agents = new Agents(context);
  const { process: first } = await agents.start();
  const { code, stderr } = usbferry(["agent", "--state-dir", agents.folder], {
    USBFERRY_AGENT: join(agents.folder, "other.sock"),
  });
  assert.equal(code, 1);
  assert(stderr.includes(`process id ${first.pid} runs and keeps ${agents.folder}`), stderr);
});

test("damaged wishes are named and left as they are", (context) => {
  const agents = new Agents(context);
  writeFileSync(agents.file, '{"version":1,\n"wishes":7}');
  const { code, stderr } = usbferry(["agent", "--state-dir", agents.folder], {
    USBFERRY_AGENT: agents.socketPath,
  });
  assert.equal(code, 1);
  assert(stderr.startsWith(`usbferry: error: ${agents.file}, line 2`), stderr);
  assert.equal(readFileSync(agents.file, "utf8"), '{"version":1,\n"wishes":7}');
});

test("a folder that was asked for and cannot be used is refused", (context) => {
  const agents = new Agents(context);
  const file = join(agents.folder, "file");
  writeFileSync(file, "");
  const { code, stderr } = usbferry(["agent", "--state-dir", join(file, "state")], {
    USBFERRY_AGENT: agents.socketPath,
  });
  assert.equal(code, 1);
  assert.match(stderr, /^usbferry: error: the state cannot be kept in .*--state-dir/);
});
