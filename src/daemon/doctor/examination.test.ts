import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer as createWebServer } from "node:http";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { RunningUsbferry, usbferry } from "../../../test/support/usbferry.ts";
import { createGadget } from "../../gadgets/catalog.ts";
import { Speed } from "../../usb/speed.ts";
import { OpCode, OpCommon } from "../../usbip/pdu.ts";
import { ExportTable } from "../export-table.ts";
import { Host } from "../host.ts";
import { LibuvLoop } from "../libuv-loop.ts";
import type { Check } from "./check.ts";
import { type Diagnosis, examine, examineSection, type Finding } from "./examination.ts";
import { note, ok, problem } from "./finding.ts";

const folder = mkdtempSync(join(tmpdir(), "usbferry-doctor-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** What is found on the way to an address, hop by hop. */
async function way(address: string): Promise<readonly Finding[]> {
  const { checks } = await examine({ address, side: "guest" });
  return checks.filter(({ section }) => section.startsWith("The way")).flatMap(({ findings }) => findings);
}

function codes(findings: readonly Finding[]): readonly string[] {
  return findings.map(({ code }) => code);
}

async function listening(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `tcp:127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** What is found where a server does this with each connection. */
async function withServer(serve: (socket: Socket) => unknown): Promise<readonly Finding[]> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("error", () => {});
    serve(socket);
  });
  try {
    return await way(await listening(server));
  } finally {
    for (const socket of open) socket.destroy();
    server.close();
  }
}

const REACHED = ["ADDRESS_UNDERSTOOD", "ROUTE_FOUND", "CONNECTED"];
const reply = (version: number, status: number, ...more: readonly number[]): Uint8Array =>
  Buffer.concat([OpCommon.encode({ version, code: OpCode.OP_REP_DEVLIST, status }), Uint8Array.from(more)]);

for (const [address, code, why] of [
  ["3240", "ADDRESS_WRONG", /does not say what kind it is/],
  ["tcp:box:99999", "ADDRESS_WRONG", /the port is a number up to 65535/],
  ["hvsocket:e0e16197-dd56-4a10-9195-5ee7a155a838:3240", "ADDRESS_NOT_BUILT", /not built yet/],
] as const) {
  test(`the way to "${address}" ends at the address`, async () => {
    const findings = await way(address);
    assert.deepEqual(codes(findings), [code]);
    assert.match(findings[0]!.why!, why);
  });
}

test("nothing that listens is told, and a listener at another address of this machine is named", async () => {
  const server = createServer();
  const address = await listening(server);
  const port = Number(address.split(":").at(-1));
  const elsewhere = await way(`tcp:127.0.0.2:${port}`);
  assert.deepEqual(codes(elsewhere), ["ADDRESS_UNDERSTOOD", "ROUTE_FOUND", "CONNECTION_REFUSED"]);
  assert.match(elsewhere[2]!.why!, new RegExp(`does listen on port ${port}, at 127\\.0\\.0\\.1 only`));
  server.close();
  await once(server, "close");
  const nobody = await way(address);
  assert.deepEqual(codes(nobody), ["ADDRESS_UNDERSTOOD", "ROUTE_FOUND", "CONNECTION_REFUSED"]);
  assert.match(nobody[2]!.why!, /Nothing listens on port \d+ of this machine, or a firewall refuses/);
  assert.match(nobody[2]!.next![0]!, /usbferry serve/);
});

test("a name stands for its addresses, and each is tried", async () => {
  const exports = new ExportTable();
  exports.add("keyboard", createGadget({ kind: "keyboard", speed: Speed.low }));
  const host = new Host(exports, new LibuvLoop(), { info() {}, warn() {} });
  await host.listen([{ kind: "tcp", host: "127.0.0.1", port: 0 }]);
  try {
    const findings = await way(`tcp:localhost:${host.addresses[0]!.split(":").at(-1)}`);
    // How fast it answers is a matter of what else this machine does.
    assert.deepEqual(codes(findings).slice(0, -1), [
      "ADDRESS_UNDERSTOOD",
      "NAME_KNOWN",
      "ROUTE_FOUND",
      "CONNECTED",
      "LIST_ANSWERED",
    ]);
    assert.match(findings[1]!.what, /localhost is .*127\.0\.0\.1/);
    assert.match(findings[4]!.what, /shares keyboard \([0-9a-f]{4}:[0-9a-f]{4}\)\.$/);
    assert.match(
      findings[5]!.what,
      /in \d+\.\d\d ms \(median of \d\).*up to \d+ a second, from a disk up to [\d.]+ MB\/s/,
    );
  } finally {
    await host.stop();
  }
});

test("a host without a device is one that shows none", async () => {
  const host = new Host(new ExportTable(), new LibuvLoop(), { info() {}, warn() {} });
  await host.listen([{ kind: "tcp", host: "127.0.0.1", port: 0 }]);
  try {
    const findings = await way(host.addresses[0]!);
    assert.deepEqual(codes(findings).slice(0, -1), [...REACHED, "SHARES_NOTHING"]);
    assert.match(findings[3]!.why!, /or a rule keeps it from this machine/);
  } finally {
    await host.stop();
  }
});

test("a host of this machine whose rules deny is told from one that shares nothing", async () => {
  const control = join(folder, "serve.sock");
  const path = join(folder, "denying.sock");
  const configuration = join(folder, "usbferry.yaml");
  writeFileSync(configuration, "rules:\n  - deny\n");
  const serving = ["serve", "--config", configuration, "--listen", `unix:${path}`, "--gadget", "zero"];
  const running = new RunningUsbferry(serving, { USBFERRY_CONTROL: control });
  try {
    await running.until(path);
    const { code, stdout } = usbferry(["doctor", `unix:${path}`, "--json"], { USBFERRY_CONTROL: control });
    assert.equal(code, 1);
    const { checks } = JSON.parse(stdout) as Diagnosis;
    const [denied] = checks.at(-1)!.findings;
    assert.equal(denied!.code, "DENIED_BY_RULES");
    assert.match(denied!.what, /shares zero, and not with this client/);
  } finally {
    await running.end("SIGTERM");
  }
});

test("a server that says nothing is no USB/IP host", async () => {
  const findings = await withServer((socket) => socket.resume());
  assert.deepEqual(codes(findings), [...REACHED, "HOST_SILENT"]);
  assert.match(findings[3]!.what, /says nothing for 4 s/);
});

test("a server that closes at once is a tunnel without an end, or a host that lets nobody in", async () => {
  // A reset may come before or after the connection was seen.
  for (const close of [(socket: Socket) => socket.end(), (socket: Socket) => socket.resetAndDestroy()]) {
    const findings = await withServer(close);
    assert.equal(findings.at(-1)!.code, "HOST_CLOSES");
    assert.equal(findings.filter(({ severity }) => severity === "problem").length, 1);
  }
});

test("a web server is told by its answer", async () => {
  const server = createWebServer(() => {});
  const findings = await way(await listening(server));
  server.close();
  assert.deepEqual(codes(findings), [...REACHED, "HTTP_SERVER"]);
  assert.match(findings[3]!.why!, /"HTTP\/1\.1 400 Bad Request"/);
});

test("a server that waits for the end of a line is made to speak", async () => {
  const findings = await withServer((socket) => {
    socket.on("data", (bytes: Buffer) => {
      if (bytes.includes("\n")) socket.end("500 what do you mean?\u001b[31m\r\n");
    });
  });
  assert.deepEqual(codes(findings), [...REACHED, "OTHER_PROTOCOL"]);
  assert.match(findings[3]!.why!, /"500 what do you mean\?\.\[31m"/);
});

test("a server of TLS is told by its handshake", async () => {
  const server = createTlsServer({});
  const findings = await way(await listening(server));
  server.close();
  assert.deepEqual(codes(findings), [...REACHED, "TLS_SERVER"]);
});

test("a host of another version is told with both versions", async () => {
  const findings = await withServer((socket) => socket.end(reply(0x0106, 0, 0, 0, 0, 0)));
  assert.deepEqual(codes(findings), [...REACHED, "WRONG_VERSION"]);
  assert.match(findings[3]!.what, /version 0x106 of USB\/IP, this command 0x111/);
});

test("a host that refuses, and one whose list is broken, are told apart", async () => {
  const refusing = await withServer((socket) => socket.end(reply(0x0111, 1)));
  assert.deepEqual(codes(refusing), [...REACHED, "HOST_REFUSES"]);
  assert.match(refusing[3]!.what, /with status 1/);
  const cut = await withServer((socket) => socket.end(reply(0x0111, 0, 0, 0, 0, 2)));
  assert.deepEqual(codes(cut), [...REACHED, "HOST_BREAKS_PROTOCOL"]);
  assert.match(cut[3]!.why!, /TRUNCATED: the host closed after 0 of 2 devices/);
  const unending = await withServer((socket) => socket.write(reply(0x0111, 0, 0, 0, 0, 2)));
  assert.deepEqual(codes(unending), [...REACHED, "HOST_BREAKS_PROTOCOL"]);
  const flooding = await withServer((socket) => socket.end(reply(0x0111, 0, 0xff, 0xff, 0xff, 0xff)));
  assert.match(flooding[3]!.why!, /BAD_LENGTH: the host announces 4294967295 devices/);
});

/** Its main thread stands still, so that the kernel holds what it does not accept. */
const FULL_LISTENER = `
  const server = require("node:net").createServer();
  server.listen({ host: "127.0.0.1", port: 0, backlog: 1 }, () => {
    process.stdout.write(server.address().port + "\\n", () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
  });`;

test("packets that are lost in silence are told as such, with the interface that sent them", async () => {
  const listener = spawn(process.execPath, ["-e", FULL_LISTENER], { stdio: ["ignore", "pipe", "inherit"] });
  const waiting: Socket[] = [];
  try {
    const [line] = (await once(listener.stdout, "data")) as [Buffer];
    const port = Number(line.toString());
    // The kernel takes one more than the backlog, and drops every SYN after that.
    for (let i = 0; i < 4; i++) waiting.push(connect(port, "127.0.0.1").on("error", () => {}));
    await Promise.all(waiting.slice(0, 2).map((socket) => once(socket, "connect")));
    const findings = await way(`tcp:127.0.0.1:${port}`);
    assert.deepEqual(codes(findings), ["ADDRESS_UNDERSTOOD", "ROUTE_FOUND", "CONNECTION_TIMED_OUT"]);
    assert.match(findings[2]!.why!, /sent out through lo \(127\.0\.0\.1\)\. Packets are lost in silence/);
  } finally {
    for (const socket of waiting) socket.destroy();
    listener.kill("SIGKILL");
  }
});

test("a unix socket is missing, no socket, without a listener, or closed to this user", async () => {
  const missing = await way(`unix:${folder}/none.sock`);
  assert.deepEqual(codes(missing), ["ADDRESS_UNDERSTOOD", "SOCKET_FILE_MISSING"]);

  writeFileSync(join(folder, "file"), "");
  const file = await way(`unix:${folder}/file`);
  assert.deepEqual(codes(file), ["ADDRESS_UNDERSTOOD", "SOCKET_FILE_NO_SOCKET"]);

  symlinkSync(join(folder, "nowhere"), join(folder, "link.sock"));
  const link = await way(`unix:${folder}/link.sock`);
  assert.deepEqual(codes(link), ["ADDRESS_UNDERSTOOD", "SOCKET_FILE_THERE", "SOCKET_FILE_MISSING"]);

  const path = join(folder, "left.sock");
  const dying = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  await once(spawn(process.execPath, ["-e", dying]), "exit");
  const left = await way(`unix:${path}`);
  assert.deepEqual(codes(left), ["ADDRESS_UNDERSTOOD", "SOCKET_FILE_THERE", "CONNECTION_REFUSED"]);
  assert.match(left[2]!.why!, /has ended and left the file behind/);
});

const speaks = (name: string, ...findings: readonly Finding[]): Check => ({ name, run: () => findings });
const trouble = { what: "a", why: "b", next: [] };

test("a chain ends at its first problem, and other sections go on", async () => {
  const checks = [
    speaks("one", note("NAME_KNOWN", trouble)),
    speaks("nothing"),
    speaks("two", problem("NAME_UNKNOWN", trouble), ok("NAME_KNOWN", "x")),
    speaks("three", ok("CONNECTED", "x")),
  ];
  const names = async (isChain?: true): Promise<string[]> =>
    (await examineSection({ name: "s", checks, ...(isChain && { isChain }) })).map(({ name }) => name);
  assert.deepEqual(await names(true), ["one", "two"]);
  assert.deepEqual(await names(), ["one", "two", "three"]);
});

test("a check that fails does not keep the others from speaking", async () => {
  const failing: Check = {
    name: "failing",
    run() {
      throw new Error("EIO: i/o error, read");
    },
  };
  const results = await examineSection({
    name: "s",
    checks: [failing, speaks("other", ok("CONNECTED", "x"))],
  });
  assert.deepEqual(codes(results.flatMap(({ findings }) => findings)), ["CHECK_FAILED", "CONNECTED"]);
  assert.match(results[0]!.findings[0]!.what, /EIO: i\/o error, read/);
});
