import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createWebServer } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { createGadget } from "../../gadgets/catalog.ts";
import type { LinkAddress } from "../../links/listen.ts";
import { Speed } from "../../usb/speed.ts";
import { OpCode, OpCommon } from "../../usbip/pdu.ts";
import { ErrorMessage, FrameHeader, Hello, MAGIC, MessageType } from "../../wslusb/messages.ts";
import { Status } from "../../wslusb/status.ts";
import { EventLog } from "../event-log.ts";
import { ExportTable } from "../export-table.ts";
import { Host } from "../host.ts";
import { HOST_LIMITS } from "../host-limits.ts";
import { LibuvLoop } from "../libuv-loop.ts";
import { Gate } from "../rules/gate.ts";
import { SessionRegistry } from "../session-registry.ts";
import { examine, type Finding } from "./examination.ts";

const folder = mkdtempSync(join(tmpdir(), "usbferry-doctor-wslusb-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const silentLog = { info() {}, warn() {} };
const REACHED = ["ADDRESS_UNDERSTOOD", "ROUTE_FOUND", "CONNECTED"];

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
  return `wslusb+tcp:127.0.0.1:${(server.address() as AddressInfo).port}`;
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

/** What is found where a host of usbferry is. */
async function withHost(host: Host, place: LinkAddress): Promise<readonly Finding[]> {
  await host.listen([place]);
  try {
    return await way(`wslusb+${host.addresses[0]!}`);
  } finally {
    await host.stop();
  }
}

function frame(type: number, payload: Uint8Array): Uint8Array {
  const header = FrameHeader.encode({ type, payload_size: payload.length, sequence_number: 0, reserved: 0 });
  return Buffer.concat([header, payload]);
}

function hello(version: number): Uint8Array {
  return frame(
    MessageType.Hello,
    Hello.encode({
      magic: MAGIC,
      version,
      lowest_version: version,
      reserved: 0,
      credit: 65_536,
      devices: 1,
      urbs: 1,
      bytes: 65_536,
      transfer_length: 65_536,
      packets: 0,
    }),
  );
}

const LOOPBACK: LinkAddress = { kind: "tcp", host: "127.0.0.1", port: 0 };

test("a host of version 2 tells what it shares, what is in use, and how fast it answers", async () => {
  const exports = new ExportTable();
  exports.add("keyboard", createGadget({ kind: "keyboard", speed: Speed.low }));
  exports.add("zero", createGadget({ kind: "zero", speed: Speed.high, pattern: 0 }));
  exports.mark(exports.find("zero")!, true);
  for (const place of [LOOPBACK, { kind: "unix", path: join(folder, "host.sock") } as const]) {
    // oxlint-disable-next-line no-await-in-loop -- one way after the other
    const findings = await withHost(new Host(exports, new LibuvLoop(), silentLog), place);
    const hops = place.kind === "tcp" ? REACHED : ["ADDRESS_UNDERSTOOD", "SOCKET_FILE_THERE", "CONNECTED"];
    // How fast it answers is a matter of what else this machine does.
    assert.deepEqual(codes(findings).slice(0, -1), [...hops, "LIST_ANSWERED"]);
    assert.match(findings[2]!.what, /^wslusb\+(tcp|unix):/);
    assert.match(
      findings[3]!.what,
      /shares keyboard \(1209:0001\), zero \([0-9a-f]{4}:[0-9a-f]{4}, in use\)\.$/,
    );
    assert.match(findings[4]!.what, /in \d+\.\d\d ms \(median of \d\)/);
  }
});

test("a name stands for its addresses over WSL-USB, too", async () => {
  const host = new Host(new ExportTable(), new LibuvLoop(), silentLog);
  await host.listen([LOOPBACK]);
  try {
    const findings = await way(`wslusb+tcp:localhost:${host.addresses[0]!.split(":").at(-1)}`);
    assert.deepEqual(codes(findings).slice(0, 5), [
      "ADDRESS_UNDERSTOOD",
      "NAME_KNOWN",
      "ROUTE_FOUND",
      "CONNECTED",
      "SHARES_NOTHING",
    ]);
    assert.match(findings[4]!.what, /is a WSL-USB host and shows no device/);
    assert.doesNotMatch(findings[4]!.next!.join(" "), /usbipd/);
  } finally {
    await host.stop();
  }
});

test("nobody there is told, without a word of the tools of USB/IP", async () => {
  const server = createServer();
  const address = await listening(server);
  server.close();
  await once(server, "close");
  const findings = await way(address);
  assert.deepEqual(codes(findings), ["ADDRESS_UNDERSTOOD", "ROUTE_FOUND", "CONNECTION_REFUSED"]);
  const missing = await way(`wslusb+unix:${join(folder, "none.sock")}`);
  assert.deepEqual(codes(missing), ["ADDRESS_UNDERSTOOD", "SOCKET_FILE_MISSING"]);
});

test("a side of version 1 that waits for a request is made to speak, and named", async () => {
  // It passes over types that it does not know, and answers what version 1 asks.
  const findings = await withServer((socket) => {
    let seen = Buffer.alloc(0);
    socket.on("data", (bytes: Buffer) => {
      seen = Buffer.concat([seen, bytes]);
      while (seen.length >= 16 && seen.length >= 16 + seen.readUInt32LE(4)) {
        const type = seen.readUInt32LE(0);
        seen = seen.subarray(16 + seen.readUInt32LE(4));
        if (type === MessageType.DeviceEnumeration) socket.write(frame(type, Buffer.alloc(4)));
      }
    });
  });
  assert.deepEqual(codes(findings), [...REACHED, "WRONG_VERSION"]);
  assert.match(findings[3]!.what, /speaks version 1 of WSL-USB, this command version 2/);
});

test("a side of version 1 that speaks first is named, too", async () => {
  const findings = await withServer((socket) =>
    socket.write(frame(MessageType.UrbRequest, Buffer.alloc(272))),
  );
  assert.deepEqual(codes(findings), [...REACHED, "WRONG_VERSION"]);
  assert.match(findings[3]!.what, /version 1 of WSL-USB/);
});

test("a host of a later version alone is told by its Hello, or by its refusal", async () => {
  const chosen = await withServer((socket) => socket.write(hello(3)));
  assert.deepEqual(codes(chosen), [...REACHED, "WRONG_VERSION"]);
  assert.match(chosen[3]!.why!, /chooses version 3, not 2/);
  const refused = await withServer((socket) =>
    socket.end(
      frame(
        MessageType.Error,
        ErrorMessage.encode({ status: Status.BAD_VERSION, message: "versions 3 to 4 are spoken" }),
      ),
    ),
  );
  assert.deepEqual(codes(refused), [...REACHED, "WRONG_VERSION"]);
  assert.match(refused[3]!.what, /another version/);
  assert.match(refused[3]!.why!, /versions 3 to 4 are spoken/);
});

test("a host that ends for another reason, and one that breaks the protocol, are told apart", async () => {
  const ending = await withServer((socket) =>
    socket.end(frame(MessageType.Error, ErrorMessage.encode({ status: Status.FLOOD, message: "too many" }))),
  );
  assert.deepEqual(codes(ending), [...REACHED, "HOST_REFUSES"]);
  assert.match(ending[3]!.why!, /too many/);
  const cut = await withServer((socket) => socket.end(hello(2).subarray(0, 20)));
  assert.deepEqual(codes(cut), [...REACHED, "HOST_BREAKS_PROTOCOL"]);
  const broken = await withServer((socket) => {
    const bytes = hello(2);
    bytes[16] = 0x58;
    socket.write(bytes);
  });
  assert.deepEqual(codes(broken), [...REACHED, "HOST_BREAKS_PROTOCOL"]);
  assert.match(broken[3]!.why!, /BAD_FIELD: Hello does not begin with WSLUSB/);
  const unending = await withServer((socket) => socket.write(hello(2).subarray(0, 40)));
  assert.deepEqual(codes(unending), [...REACHED, "HOST_BREAKS_PROTOCOL"]);
});

test("a host of USB/IP alone is named, whether it closes at a Hello or answers it", async () => {
  const list = Buffer.concat([
    OpCommon.encode({ version: 0x0111, code: OpCode.OP_REP_DEVLIST, status: 0 }),
    Buffer.alloc(4),
  ]);
  const closing = await withServer((socket) =>
    socket.on("data", (bytes: Buffer) => {
      if (bytes[0] === 1 && bytes[1] === 0x11) socket.end(list);
      else socket.destroy();
    }),
  );
  assert.deepEqual(codes(closing), [...REACHED, "USBIP_HOST"]);
  assert.match(closing[3]!.what, /is a host of USB\/IP, not of WSL-USB/);
  assert.match(closing[3]!.next![0]!, /^usbferry doctor tcp:127\.0\.0\.1:\d+$/);
  const answering = await withServer((socket) => socket.on("data", () => socket.end(list)));
  assert.deepEqual(codes(answering), [...REACHED, "USBIP_HOST"]);
});

test("servers of other kinds are told by what they do", async () => {
  const web = createWebServer(() => {});
  const spoken = await way(await listening(web));
  web.close();
  assert.deepEqual(codes(spoken), [...REACHED, "HTTP_SERVER"]);
  assert.match(spoken[3]!.what, /not a WSL-USB host/);
  const secure = createTlsServer({});
  const encrypted = await way(await listening(secure));
  secure.close();
  assert.deepEqual(codes(encrypted), [...REACHED, "TLS_SERVER"]);
  const other = await withServer((socket) => socket.write("220 smtp.example ESMTP\r\n"));
  assert.deepEqual(codes(other), [...REACHED, "OTHER_PROTOCOL"]);
  const closing = await withServer((socket) => socket.end());
  assert.equal(closing.at(-1)!.code, "HOST_CLOSES");
  const silent = await withServer((socket) => socket.resume());
  assert.deepEqual(codes(silent), [...REACHED, "HOST_SILENT"]);
  assert.match(silent[3]!.why!, /no WSL-USB host/);
});

test("a client that the host lets have nothing sees an empty list", async () => {
  const exports = new ExportTable();
  exports.add("zero", createGadget({ kind: "zero", speed: Speed.high, pattern: 0 }));
  const gate = new Gate({ decide: () => ({ allowed: false }) }, silentLog);
  const registry = new SessionRegistry(new EventLog());
  const host = new Host(exports, new LibuvLoop(), silentLog, HOST_LIMITS, gate, registry);
  const findings = await withHost(host, LOOPBACK);
  assert.deepEqual(codes(findings).slice(0, -1), [...REACHED, "SHARES_NOTHING"]);
});

test("over tls: the trust of both machines is the hop before the answer", async () => {
  const plain = createServer((socket) => socket.on("error", () => {}));
  const address = (await listening(plain)).replace("tcp:", "tls:");
  const findings = await way(address);
  plain.close();
  assert.deepEqual(codes(findings), ["ADDRESS_UNDERSTOOD", "ROUTE_FOUND", "NOT_TRUSTED"]);
});
