import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { after, test } from "node:test";
import { onLinux } from "../../test/support/poll-loop.ts";
import { MAIN, RunningUsbferry, usbferry } from "../../test/support/usbferry.ts";

const directory = mkdtempSync(join(tmpdir(), "usbferry-"));
after(() => rmSync(directory, { recursive: true }));
let sockets = 0;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** How the command was called here, to be typed again. */
const TYPED = `node ${relative("", MAIN)}`;

const SEVERAL = ["--gadget", "zero", "--gadget", "keyboard,vid=1234,pid=00ab", "--gadget", "zero"];

/** A host on a free port, and its address. */
async function serving(...args: readonly string[]): Promise<{ host: RunningUsbferry; address: string }> {
  const address = `tcp:127.0.0.1:${await freePort()}`;
  const host = new RunningUsbferry(["serve", "--listen", address, ...args]);
  await host.until("Sharing");
  return { host, address };
}

test("serve says in three lines what is shared and what to do next", async () => {
  const { host, address } = await serving("--dashboard", "off", ...SEVERAL);
  const { code, stdout } = await host.end("SIGINT");
  const port = address.slice("tcp:127.0.0.1:".length);
  assert.deepEqual(stdout.split("\n"), [
    `Sharing zero, keyboard, zero-2 on ${address}. Stop with Ctrl+C.`,
    `See them from here: ${TYPED} list ${address}`,
    `Give zero to this kernel: sudo ${TYPED} attach tcp:127.0.0.1:${port} zero`,
    "",
  ]);
  assert.equal(code, 0);
});

test("serve names the pseudo terminal of a serial port", { skip: process.platform !== "linux" }, async () => {
  const { host } = await serving("--gadget", "serial,bridge=pty");
  const { stdout } = await host.end("SIGINT");
  const path = /^serial: its other end is (\/dev\/pts\/\d+)$/m.exec(stdout)![1]!;
  assert(!existsSync(path), "it goes with the host");
});

test("a disk without its image is refused, and one that is used twice", async () => {
  const image = join(directory, "image");
  const missing = usbferry(["serve", "--gadget", `disk,file=${image}`]);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /there is no file .*image; make one first, for example: truncate -s 64M/);
  writeFileSync(image, new Uint8Array(512));
  const twice = usbferry(["serve", "--gadget", `disk,file=${image}`, "--gadget", `disk,file=${image}`]);
  assert.equal(twice.code, 1);
  assert.match(twice.stderr, /image is in use by another program/);
});

test("list shows what is shared, in columns", async () => {
  const { host, address } = await serving(...SEVERAL);
  const { code, stdout, stderr } = usbferry(["list", address]);
  await host.end("SIGTERM");
  assert.deepEqual([code, stderr], [0, ""]);
  assert.deepEqual(stdout.split("\n"), [
    "BUSID     VID:PID    DEVICE           STATE",
    "zero      0525:a4a0  Vendor specific  Shared",
    "keyboard  1234:00ab  Keyboard         Shared",
    "zero-2    0525:a4a0  Vendor specific  Shared",
    "",
  ]);
});

test("list --json is one document that says the same", async () => {
  const { host, address } = await serving(...SEVERAL);
  const { code, stdout } = usbferry(["list", address, "--json"]);
  await host.end("SIGTERM");
  assert.equal(code, 0);
  const { devices } = JSON.parse(stdout) as { devices: Record<string, unknown>[] };
  assert.deepEqual(
    devices.map(({ busid, vid, pid, device, state, speed }) => ({ busid, vid, pid, device, state, speed })),
    [
      { busid: "zero", vid: "0525", pid: "a4a0", device: "Vendor specific", state: "Shared", speed: "high" },
      { busid: "keyboard", vid: "1234", pid: "00ab", device: "Keyboard", state: "Shared", speed: "full" },
      {
        busid: "zero-2",
        vid: "0525",
        pid: "a4a0",
        device: "Vendor specific",
        state: "Shared",
        speed: "high",
      },
    ],
  );
});

test("a device that somebody has is not listed; its session is one line of JSON in the log", async () => {
  const { host, address } = await serving("--gadget", "zero");
  const socket = connect(Number(address.split(":")[2]), "127.0.0.1");
  const request = Buffer.alloc(40);
  request.set([0x01, 0x11, 0x80, 0x03]);
  request.write("zero", 8);
  socket.write(request);
  await host.until("IMPORTED");
  const { code, stdout } = usbferry(["list", address]);
  assert.deepEqual([code, stdout], [0, `${address} shares no device that is free.\n`]);
  socket.end();
  await host.until('"busid":"zero","durationMs"');
  const { stderr } = await host.end("SIGTERM");
  const lines = stderr
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { code: string; busid?: string });
  assert.deepEqual(
    lines.filter((line) => line.busid === "zero").map((line) => line.code),
    ["IMPORTED", "OK"],
  );
});

/** Threads of a host that was started so, and has answered. */
async function threadsOf(...args: readonly string[]): Promise<number> {
  const { host, address } = await serving("--gadget", "zero", ...args);
  assert.match(usbferry(["list", address]).stdout, /^zero +0525:a4a0/m);
  const count = readdirSync(`/proc/${host.process.pid}/task`).length;
  assert.equal((await host.end("SIGTERM")).code, 0);
  return count;
}

test("with --data-plane main no worker runs, and the same is served", onLinux, async () => {
  assert.equal((await threadsOf()) - (await threadsOf("--data-plane", "main")), 1);
});

test("a unix socket serves as well, and is gone afterwards", async () => {
  const path = join(directory, `${sockets++}.sock`);
  const host = new RunningUsbferry(["serve", "--listen", `unix:${path}`, "--gadget", "zero"]);
  await host.until("Sharing");
  assert.match(usbferry(["list", `unix:${path}`]).stdout, /^zero +0525:a4a0/m);
  const { code, stdout } = await host.end("SIGTERM");
  assert.equal(code, 0);
  assert.match(stdout, /sudo node \S+ attach unix:/);
  assert(!existsSync(path));
});

test("the default place to listen is the USB/IP port of this machine", async () => {
  const host = new RunningUsbferry(["serve", "--gadget", "zero"]);
  try {
    await host.until("3240");
  } finally {
    await host.end("SIGTERM");
  }
  assert.match(host.stdout + host.stderr, /tcp:127\.0\.0\.1:3240/);
});

test("a port in use is a failure that says what to do", async () => {
  const { host, address } = await serving("--gadget", "zero");
  const { code, stdout, stderr } = usbferry(["serve", "--listen", address, "--gadget", "zero"]);
  await host.end("SIGTERM");
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(
    stderr,
    /^usbferry: error: cannot listen on .*another program listens there \(EADDRINUSE\)\. Stop it/,
  );
});

test("a host that is not there is a failure that says what to do", async () => {
  const { code, stdout, stderr } = usbferry(["list", `tcp:${await freePort()}`, "--json"]);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /^usbferry: error: cannot reach .*nothing listens there .*usbferry serve/);
  assert.doesNotMatch(stderr, /\n\s+at /);
});

test("USBFERRY_DEBUG=1 shows the stack of a failure", async () => {
  const { stderr } = usbferry(["list", `tcp:${await freePort()}`], { USBFERRY_DEBUG: "1" });
  assert.match(stderr, /\n\s+at /);
});

test("interrupting a list is cancelled, at once", async () => {
  const mute = createServer().listen(0, "127.0.0.1");
  await once(mute, "listening");
  const list = new RunningUsbferry(["list", `tcp:${(mute.address() as AddressInfo).port}`]);
  await once(mute, "connection");
  const from = performance.now();
  const { code, stdout, stderr } = await list.end("SIGINT");
  assert.deepEqual([code, stdout, stderr], [4, "", ""]);
  assert(performance.now() - from < 2_000);
  mute.close();
});

test("a reader that does not want the output is no failure", async () => {
  const child = spawn(process.execPath, [MAIN, "gadget", "list"], { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.destroy();
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [code] = (await once(child, "close")) as [number];
  assert.deepEqual([code, stderr], [0, ""]);
});

test("a host goes on serving when nobody reads its output", async () => {
  const { host, address } = await serving("--gadget", "zero");
  host.process.stdout!.destroy();
  host.process.stderr!.destroy();
  for (let i = 0; i < 3; i++) assert.equal(usbferry(["list", address]).code, 0);
  assert.equal((await host.end("SIGTERM")).code, 0);
});
