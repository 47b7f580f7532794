import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { RunningUsbferry, usbferry } from "../../test/support/usbferry.ts";

const top = mkdtempSync(join(tmpdir(), "usbferry-configuration-"));
const hosts: RunningUsbferry[] = [];
after(() => {
  // Those of tests that failed.
  for (const host of hosts) host.process.kill("SIGKILL");
  rmSync(top, { recursive: true });
});
let files = 0;

/** A host that runs by a configuration; every test has its own folder. */
class Configured {
  readonly folder = mkdtempSync(join(top, `${files++}-`));
  readonly file = join(this.folder, "usbferry.yaml");
  host!: RunningUsbferry;

  socket(name = "a"): string {
    return join(this.folder, `${name}.sock`);
  }

  write(...lines: readonly string[]): void {
    writeFileSync(this.file, `${lines.join("\n")}\n`);
  }

  async start(...args: readonly string[]): Promise<void> {
    this.host = new RunningUsbferry([
      "serve",
      "--config",
      this.file,
      "--state-dir",
      join(this.folder, "state"),
      ...args,
    ]);
    hosts.push(this.host);
    await this.host.until("Stop with Ctrl+C");
  }

  /** Writes another configuration and waits for the line that tells what came of it. */
  async reload(...lines: readonly string[]): Promise<LogLine> {
    this.write(...lines);
    const before = this.#reloads().length;
    this.host.process.kill("SIGHUP");
    const endMs = performance.now() + 10_000;
    for (;;) {
      const line = this.#reloads()[before];
      if (line !== undefined) return line;
      assert(performance.now() < endMs, this.host.stderr);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  list(name = "a"): readonly string[] {
    const { code, stdout } = usbferry(["list", `unix:${this.socket(name)}`, "--json"]);
    if (code !== 0) return ["nobody"];
    return (JSON.parse(stdout) as { devices: { busid: string }[] }).devices.map(({ busid }) => busid);
  }

  /** A session that has the device. */
  async attach(busid: string): Promise<Socket> {
    const socket = connect(this.socket());
    const request = Buffer.alloc(40);
    request.set([0x01, 0x11, 0x80, 0x03]);
    request.write(busid, 8);
    socket.write(request);
    const [reply] = (await once(socket, "data")) as [Buffer];
    assert.equal(reply.readUInt32BE(4), 0, "imported");
    return socket;
  }

  lines(): readonly LogLine[] {
    return this.host.stderr
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as LogLine);
  }

  #reloads(): readonly LogLine[] {
    return this.lines().filter(({ code }) => code === "RELOADED" || code === "RELOAD_REFUSED");
  }
}

interface LogLine {
  readonly code: string;
  readonly room: string;
  readonly msg: string;
  readonly changed?: readonly string[];
  readonly restart?: readonly string[];
  readonly busid?: string;
  readonly uid?: number;
  readonly pid?: number;
}

test("a reload adds and removes gadgets, places, rules and levels, and sessions go on", async () => {
  const it = new Configured();
  it.write(`listen: ["unix:${it.socket()}"]`, "gadgets: [zero, keyboard, mouse]");
  await it.start();
  assert.deepEqual(it.list(), ["zero", "keyboard", "mouse"]);
  const session = await it.attach("keyboard");

  const reloaded = await it.reload(
    `listen: ["unix:${it.socket("b")}"]`,
    "gadgets: [zero, 'zero,speed=full']",
    "rules: [deny busid=zero]",
    "log: {usbip: off}",
    "drain: 1",
    "state: /elsewhere",
  );
  assert.equal(reloaded.code, "RELOADED");
  assert.deepEqual(reloaded.changed, [
    "withdrew keyboard",
    "withdrew mouse",
    "shares zero-2",
    "listens elsewhere",
    "has other rules",
    "logs at other levels",
    "drains for another time",
  ]);
  assert.deepEqual(reloaded.restart, ["state"]);
  assert(!existsSync(it.socket()), "the old place is closed");
  assert.deepEqual(it.list("b"), ["zero-2"]);
  assert.equal(session.closed, false);

  session.end();
  await it.host.until('"busid":"keyboard","durationMs"');
  const back = await it.reload(`listen: ["unix:${it.socket()}"]`, "gadgets: [keyboard, zero]");
  assert.deepEqual(back.changed?.slice(0, 2), ["withdrew zero-2", "shares keyboard"]);
  assert.deepEqual(it.list(), ["zero", "keyboard"]);
  assert.equal(
    (await it.reload(`listen: ["unix:${it.socket()}"]`, "gadgets: [keyboard, zero]")).changed?.length,
    0,
  );
  assert.equal((await it.host.end("SIGTERM")).code, 0);
});

test("a configuration that is wrong leaves everything as it was and logs why", async () => {
  const it = new Configured();
  const right = [`listen: ["unix:${it.socket()}"]`, "gadgets: [zero]"];
  it.write(...right);
  await it.start();
  const session = await it.attach("zero");
  const blocked = join(it.folder, "no-folder", "x.sock");
  const wrong: readonly (readonly [lines: readonly string[], reason: RegExp])[] = [
    [["gadgets: [zero, nonsense]"], /line 1, key "gadgets\[1\]": gadget "nonsense": there is no gadget/],
    [
      ["gadgets: [keyboard]", 'listen: ["tcp:0.0.0.0:0"]'],
      /line 2, key "listen\[0\]": listening on "tcp:0\.0\.0\.0:0" would offer/,
    ],
    [["gadgets: [keyboard]", "connect: [nowhere]"], /line 2, key "connect\[0\]": "nowhere" is no address/],
    [["gadgets: [keyboard]", "rules: [permit]"], /line 2, key "rules\[0\]"/],
    [
      ["gadgets: [keyboard]", `listen: ["unix:${it.socket("c")}", "unix:${blocked}"]`],
      /the directory does not exist/,
    ],
    [["gadgets: [keyboard, 'disk,file=/nonexistent']"], /there is no file/],
    [["gadgets: ["], /line 2: /],
  ];
  for (const [lines, reason] of wrong) {
    const line = await it.reload(...lines);
    assert.equal(line.code, "RELOAD_REFUSED");
    assert.match(line.msg, /^RELOAD_REFUSED everything is as it was: /);
    assert.match(line.msg, reason);
    assert(!existsSync(it.socket("c")), "nothing of it is left behind");
  }
  session.end();
  await it.host.until('"busid":"zero","durationMs"');
  assert.deepEqual(it.list(), ["zero"]);
  assert.equal((await it.reload(...right)).changed?.length, 0);
  await it.host.end("SIGTERM");
});

test("the command line wins over the file, at a reload too", async () => {
  const it = new Configured();
  it.write(`listen: ["unix:${it.socket("b")}"]`, "gadgets: [zero]", "log: {default: off}");
  await it.start("--listen", `unix:${it.socket()}`, "--gadget", "mouse", "--log-level", "info");
  assert.deepEqual([it.list(), it.list("b")], [["mouse"], ["nobody"]]);
  await it.reload(`listen: ["unix:${it.socket("c")}"]`, "gadgets: [keyboard]");
  assert.deepEqual([it.list(), it.list("c")], [["mouse"], ["nobody"]]);
  await it.host.end("SIGTERM");
});

test("a host without a configuration ends at SIGHUP", async () => {
  const host = new RunningUsbferry(["serve", "--listen", `unix:${join(top, "x.sock")}`, "--gadget", "zero"]);
  await host.until("Sharing");
  assert.equal((await host.end("SIGHUP")).code, 0);
});

test("a configuration may begin with nothing to share", async () => {
  const it = new Configured();
  it.write("# nothing yet");
  await it.start("--listen", `unix:${it.socket()}`);
  assert.match(it.host.stdout, /^Sharing nothing yet/);
  assert.deepEqual((await it.reload("gadgets: [zero]")).changed, ["shares zero"]);
  assert.deepEqual(it.list(), ["zero"]);
  await it.host.end("SIGTERM");
});

test("the log of a unix socket names user and process", { skip: process.platform !== "linux" }, async () => {
  const it = new Configured();
  it.write(`listen: ["unix:${it.socket()}"]`, "gadgets: [zero]", "log: {default: off}");
  await it.start();
  const session = await it.attach("zero");
  session.end();
  await it.host.until('"busid":"zero","durationMs"');
  const lines = it.lines();
  assert.deepEqual(
    lines.map(({ code, room, busid, uid, pid }) => ({ code, room, busid, uid, pid })),
    ["IMPORTED", "OK"].map((code) => ({
      code,
      room: "audit",
      busid: "zero",
      uid: process.getuid?.(),
      pid: process.pid,
    })),
  );
  await it.host.end("SIGTERM");
});

test("rules can be seen at work", async () => {
  const it = new Configured();
  it.write(`listen: ["unix:${it.socket()}"]`, "gadgets: [zero]", "rules: [deny class=vendor-specific]");
  await it.start("--log-level", "warn,rules=debug");
  assert.deepEqual(it.list(), []);
  await it.host.until("DECIDED");
  const [line] = it.lines();
  assert.match(
    line!.msg,
    /^DECIDED zero is denied to unix:\S+ \(user \d+, process \d+\) by rule c1: deny class=vendor-specific$/,
  );
  await it.host.end("SIGTERM");
});

const ownAddress = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find(({ family, internal }) => family === "IPv4" && !internal)?.address;

test("beyond loopback a host listens by a rule, and its rules decide there", {
  skip: ownAddress === undefined,
}, async () => {
  const it = new Configured();
  const [rule, place] = [`allow client=${ownAddress} class=keyboard`, "tcp:0.0.0.0:0"];
  it.write("gadgets: [zero, keyboard]", `rules: ["${rule}"]`, `listen: ["${place}"]`);
  await it.start();
  const port = /tcp:0\.0\.0\.0:(\d+)/.exec(it.host.stdout)![1]!;
  const listed = (host: string) =>
    usbferry(["list", `tcp:${host}:${port}`]).stdout.match(/^(zero|keyboard)/gm);
  assert.deepEqual(listed(ownAddress!), ["keyboard"]);
  assert.deepEqual(listed("127.0.0.1"), ["zero", "keyboard"]);
  await it.reload("gadgets: [zero, keyboard]", "rules: [allow client=192.0.2.1]", `listen: ["${place}"]`);
  assert.equal(listed(ownAddress!), null);
  await it.host.end("SIGTERM");
});
