import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { onLinux } from "../../../test/support/poll-loop.ts";
import { submit } from "../../../test/support/usbip-wire-client.ts";
import type { GadgetSpecification } from "../../gadgets/catalog.ts";
import { parseAddress, type TcpAddress, type UnixAddress } from "../../links/address.ts";
import type { LinkAddress } from "../../links/listen.ts";
import { Speed } from "../../usb/speed.ts";
import { Dialler } from "../dialler.ts";
import { EventLog } from "../event-log.ts";
import { ExportTable } from "../export-table.ts";
import { Host } from "../host.ts";
import { HOST_LIMITS, type HostLimits } from "../host-limits.ts";
import { LibuvLoop } from "../libuv-loop.ts";
import type { ReadyImport } from "../remote-host.ts";
import { WaitingGuest } from "../waiting-guest.ts";
import { DataPlane } from "./data-plane.ts";
import type { PlaneGadget } from "./plane-gadget.ts";

const folder = mkdtempSync(join(tmpdir(), "usbferry-plane-"));
after(() => rmSync(folder, { recursive: true }));
let sockets = 0;

const ZERO: GadgetSpecification = { kind: "zero", speed: Speed.high, pattern: 63 };
const DEVLIST = Uint8Array.from([0x01, 0x11, 0x80, 0x05, 0, 0, 0, 0]);
const HEADER = 48;
const IMPORT_REPLY = 320;
const BUSNUM_AT = 8 + 256 + 32;
const BUSY = Buffer.from("0111000300000002", "hex");
const loop = new LibuvLoop();

/** A host whose gadgets live in a worker. */
class Plane {
  readonly lines: string[] = [];
  readonly exports = new ExportTable();
  readonly gadgets: PlaneGadget[] = [];
  readonly plane: DataPlane;
  readonly host: Host;

  constructor(t: TestContext, gadgets = 1, limits: Partial<HostLimits> = {}) {
    t.after(() => this.stop());
    const log = {
      info: (fields: object, line: string) => this.#note(fields, line),
      warn: (fields: object, line: string) => this.#note(fields, line),
    };
    const all = { ...HOST_LIMITS, ...limits };
    const plane = DataPlane.start(log, all);
    assert(plane instanceof DataPlane);
    this.plane = plane;
    for (let i = 0; i < gadgets; i++) {
      const gadget = plane.plug(ZERO);
      this.gadgets.push(gadget);
      this.exports.add("zero", gadget);
    }
    this.host = new Host(this.exports, loop, log, all);
  }

  /** Codes of the log so far. */
  get codes(): readonly string[] {
    return this.lines.map((line) => line.split(" ", 1)[0]!);
  }

  async connect(kind: "tcp" | "unix" = "tcp"): Promise<Client> {
    let address = this.host.addresses[0];
    if (address === undefined) {
      const place: LinkAddress =
        kind === "tcp"
          ? { kind: "tcp", host: "127.0.0.1", port: 0 }
          : { kind: "unix", path: join(folder, String(sockets++)) };
      await this.host.listen([place]);
      address = this.host.addresses[0]!;
    }
    const place = parseAddress(address) as TcpAddress | UnixAddress;
    const socket = place.kind === "tcp" ? connect(place.port, place.host) : connect(place.path);
    await once(socket, "connect");
    return new Client(socket);
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    const endMs = performance.now() + 10_000;
    while (!condition()) {
      assert(
        performance.now() < endMs,
        `10 s passed without ${what}; the log has:\n${this.lines.join("\n")}`,
      );
      await sleep(5);
    }
  }

  async stop(): Promise<void> {
    await this.host.stop();
    await this.plane.stop();
  }

  #note(fields: object, line: string): void {
    this.lines.push("code" in fields && line.startsWith(String(fields.code)) ? line : `IMPORTED ${line}`);
  }
}

/** A client that sends bytes of its own making. */
class Client {
  readonly socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #closed = false;
  #news: (() => void) | undefined;
  #devid = 0;
  #seqnum = 1;

  constructor(socket: Socket) {
    this.socket = socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#news?.();
    });
    socket.on("close", () => {
      this.#closed = true;
      this.#news?.();
    });
  }

  async read(length: number): Promise<Buffer> {
    while (this.#received.length < length) {
      assert(!this.#closed, `closed after ${this.#received.length} of ${length} bytes`);
      await new Promise<void>((resolve) => {
        this.#news = resolve;
      });
    }
    const bytes = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return bytes;
  }

  async import(busid: string): Promise<this> {
    this.socket.write(importOf(busid));
    return this.imported();
  }

  /** Reads the reply to an import. */
  async imported(): Promise<this> {
    const reply = await this.read(IMPORT_REPLY);
    assert.equal(reply.readUInt32BE(4), 0);
    this.#devid = (reply.readUInt32BE(BUSNUM_AT) << 16) | reply.readUInt32BE(BUSNUM_AT + 4);
    return this;
  }

  async configure(): Promise<this> {
    const bytes = submit({
      seqnum: this.#seqnum++,
      devid: this.#devid,
      ep: 0,
      setup: "00 09 0300 0000 0000",
    });
    this.socket.write(bytes);
    assert.equal((await this.read(HEADER)).readInt32BE(20), 0);
    return this;
  }

  ask(length: number): void {
    this.socket.write(submit({ seqnum: this.#seqnum++, devid: this.#devid, in: true, length }));
  }

  async transferIn(length: number): Promise<Buffer> {
    this.ask(length);
    const header = await this.read(HEADER);
    assert.deepEqual([header.readInt32BE(20), header.readInt32BE(24)], [0, length]);
    return this.read(length);
  }

  /** The status of the reply. */
  async transferOut(payload: Uint8Array): Promise<number> {
    this.socket.write(submit({ seqnum: this.#seqnum++, devid: this.#devid, payload }));
    return (await this.read(HEADER)).readInt32BE(20);
  }

  async ended(): Promise<void> {
    this.socket.resume();
    if (!this.#closed) await once(this.socket, "close");
  }
}

function importOf(busid: string): Buffer {
  const bytes = Buffer.alloc(40);
  bytes.set([0x01, 0x11, 0x80, 0x03]);
  bytes.write(busid, 8);
  return bytes;
}

/** Pattern 63 in packets of high-speed bulk. */
function pattern(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => (i % 512) % 63));
}

function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

for (const kind of ["tcp", "unix"] as const) {
  test(`over ${kind}: list, import, transfers, end, and again`, onLinux, async (t) => {
    const plane = new Plane(t);
    const listing = await plane.connect(kind);
    listing.socket.write(DEVLIST);
    assert.equal((await listing.read(12)).readUInt32BE(8), 1);
    for (let round = 0; round < 3; round++) {
      const client = await (await plane.connect()).import("zero");
      await client.configure();
      assert.deepEqual(await client.transferIn(100_000), pattern(100_000));
      assert.equal(await client.transferOut(pattern(1 << 20)), 0);
      assert.equal(await client.transferOut(Buffer.alloc(512, 9)), 0);
      assert.equal(await client.transferOut(pattern(512)), -32, "the gadget halts at another pattern");
      client.socket.end();
      await client.ended();
      await plane.until("a free device", () => !plane.exports.find("zero")!.attached);
    }
    await plane.stop();
    const ends = plane.lines.filter((line) => line.includes(" with zero after "));
    assert.equal(ends.length, 3);
    for (const end of ends) {
      assert.match(
        end,
        /^OK (tcp:127\.0\.0\.1:\d+|unix:\S+ \(user \d+, process \d+\)) with zero after \d+(\.\d+)? s: the peer closed$/,
      );
    }
  });

  test(
    `over ${kind}: a list before the import and a request behind it are answered in order`,
    onLinux,
    async (t) => {
      const plane = new Plane(t);
      const client = await plane.connect(kind);
      const early = submit({ seqnum: 7, devid: 0x00010001, ep: 0, setup: "00 09 0300 0000 0000" });
      client.socket.write(Buffer.concat([DEVLIST, DEVLIST, importOf("zero"), early.subarray(0, 20)]));
      await sleep(50);
      client.socket.write(early.subarray(20));
      assert.equal((await client.read(12)).readUInt32BE(8), 1);
      await client.read(312 + 4);
      assert.equal((await client.read(12)).readUInt32BE(8), 1);
      await client.read(312 + 4);
      await client.imported();
      assert.equal((await client.read(HEADER)).readUInt32BE(4), 7);
      assert.equal((await client.transferIn(512)).length, 512);
      client.socket.end();
      await client.ended();
      await plane.stop();
    },
  );

  test(
    `over ${kind}: stopping in the middle of traffic says goodbye and ends the worker`,
    onLinux,
    async (t) => {
      const plane = new Plane(t);
      const client = await (await (await plane.connect(kind)).import("zero")).configure();
      const traffic = (async () => {
        for (;;) await client.transferIn(65_536);
      })();
      await sleep(50);
      const stopped = plane.stop();
      await assert.rejects(traffic, /closed after/);
      await stopped;
      assert.deepEqual(plane.codes, ["IMPORTED", "STOPPED"]);
      await plane.plane.stop();
    },
  );
}

test(
  "a device that is taken is refused and not listed; the session that has it goes on",
  onLinux,
  async (t) => {
    const plane = new Plane(t);
    const first = await (await plane.connect()).import("zero");
    const second = await plane.connect();
    for (let i = 0; i < 3; i++) {
      second.socket.write(importOf("zero"));
      assert.deepEqual(await second.read(8), BUSY);
    }
    second.socket.write(DEVLIST);
    assert.equal((await second.read(12)).readUInt32BE(8), 0);
    await first.configure();
    assert.equal((await first.transferIn(512)).length, 512);
    first.socket.end();
    await plane.until("a free device", () => !plane.exports.find("zero")!.attached);
    await second.import("zero");
    await plane.stop();
  },
);

test("a peer that vanishes leaves a free device and a line that says so", onLinux, async (t) => {
  const plane = new Plane(t);
  const client = await (await (await plane.connect()).import("zero")).configure();
  client.ask(1 << 20);
  client.socket.resetAndDestroy();
  await plane.until("its end", () => plane.codes.length === 2);
  assert.deepEqual(plane.codes, ["IMPORTED", "LINK_LOST"]);
  assert.match(plane.lines[1]!, /the peer c(ut|losed) the connection \((ECONNRESET|EPIPE)\)/);
  await plane.until("a free device", () => !plane.exports.find("zero")!.attached);
  await (await plane.connect()).import("zero");
  await plane.stop();
});

test("a peer that breaks the protocol is ended by its code, and no other", onLinux, async (t) => {
  const plane = new Plane(t, 2);
  const other = await (await (await plane.connect()).import("zero-2")).configure();
  const client = await (await plane.connect()).import("zero");
  client.socket.write(submit({ seqnum: 1, devid: 0x00070007 }));
  await client.ended();
  assert.equal((await other.transferIn(512)).length, 512);
  await plane.until("the line", () => plane.codes.includes("BAD_DEVICE"));
  await plane.stop();
});

test("a peer that does not read is cut", onLinux, async (t) => {
  const plane = new Plane(t, 1, { stallMs: 500 });
  const client = await (await (await plane.connect()).import("zero")).configure();
  client.socket.pause();
  for (let i = 0; i < 60; i++) client.ask(1 << 20);
  await plane.until("the line", () => plane.codes.includes("PEER_NOT_READING"));
  await plane.until("a free device", () => !plane.exports.find("zero")!.attached);
  client.socket.destroy();
  await plane.stop();
});

test("a peer that does not read its list is cut before its import is looked at", onLinux, async (t) => {
  const plane = new Plane(t, 1, { stallMs: 500 });
  const client = await plane.connect();
  client.socket.pause();
  const lists = Buffer.concat(Array.from({ length: 8000 }, () => DEVLIST));
  client.socket.write(lists);
  client.socket.write(importOf("zero"));
  await plane.until("the line", () => plane.lines.length > 0);
  assert.deepEqual(plane.codes, ["PEER_NOT_READING"]);
  await plane.until("a free device", () => !plane.exports.find("zero")!.attached);
  client.socket.destroy();
  await plane.stop();
});

test("an unplugged gadget ends its session, and is gone for a connection on its way", onLinux, async (t) => {
  const plane = new Plane(t);
  const client = await (await plane.connect()).import("zero");
  plane.gadgets[0]!.unplug();
  await client.ended();
  await plane.until("the line", () => plane.codes.includes("UNPLUGGED"));
  const late = await plane.connect();
  late.socket.write(importOf("zero"));
  assert.equal((await late.read(8)).toString("hex"), "0111000300000004");
  await plane.stop();
});

test("200 peers at once: each gets its device, or the one there is once", {
  ...onLinux,
  timeout: 60_000,
}, async (t) => {
  const plane = new Plane(t, 200);
  const nobody = await plane.connect();
  nobody.socket.end();
  await nobody.ended();
  const before = openDescriptors();
  const names = Array.from({ length: 200 }, (_, i) => (i === 0 ? "zero" : `zero-${i + 1}`));
  const clients = await Promise.all(
    names.map(async (name) => (await (await plane.connect()).import(name)).configure()),
  );
  const read = await Promise.all(clients.map((client) => client.transferIn(20_000)));
  for (const bytes of read) assert.deepEqual(bytes, pattern(20_000));
  for (const client of clients) client.socket.end();
  await Promise.all(clients.map((client) => client.ended()));
  await plane.until("200 ends", () => plane.codes.filter((code) => code === "OK").length >= 200);
  await plane.until("closed descriptors", () => openDescriptors() <= before);
  await plane.until("a free device", () => !plane.exports.find("zero")!.attached);

  const rivals = await Promise.all(names.map(() => plane.connect()));
  for (const rival of rivals) rival.socket.write(importOf("zero"));
  const answers = await Promise.all(rivals.map((rival) => rival.read(8)));
  assert.equal(answers.filter((answer) => answer.readUInt32BE(4) === 0).length, 1);
  assert.equal(answers.filter((answer) => answer.equals(BUSY)).length, 199);
  await plane.stop();
});

test("a guest that waits is brought a device of the worker", onLinux, async (t) => {
  const path = join(folder, "guest");
  const brought: ReadyImport[] = [];
  const silent = { info: () => {}, warn: () => {} };
  const welcome = async (ready: ReadyImport): Promise<void> => void brought.push(ready);
  const guest = await WaitingGuest.listen(
    { kind: "unix", path },
    undefined,
    loop,
    silent,
    new EventLog(),
    welcome,
  );
  const plane = new Plane(t, 2);
  const dialler = new Dialler({ kind: "unix", path }, plane.host, plane.exports, loop, silent);
  dialler.start();
  await plane.until("both devices", () => brought.length === 2);
  assert.deepEqual(brought[0]!.device.descriptors, plane.gadgets[0]!.descriptors);
  dialler.stop();
  guest.close();
  for (const { remote } of brought) remote.close({ code: "STOPPED", reason: "the test is over" });
  await plane.stop();
});

/** Runs a program that has a data plane, as a process of its own. */
function run(program: string): { readonly status: number | null; readonly stderr: string } {
  const path = join(folder, "program.mjs");
  const door = JSON.stringify(new URL("data-plane.js", import.meta.url).href);
  writeFileSync(path, `const { DataPlane } = await import(${door});\n${program}`);
  return spawnSync(process.execPath, [path], { encoding: "utf8", timeout: 20_000 });
}

test("a defect in the worker ends the process with its stack", onLinux, () => {
  const { status, stderr } = run(`
    process.once("worker", (worker) => worker.postMessage({ what: "carry" }));
    const plane = DataPlane.start({ info() {}, warn() {} });
    plane.plug({ kind: "zero", speed: 3, pattern: 0 });
    setInterval(() => {}, 1000);
  `);
  assert.equal(status, 1);
  assert.match(stderr, /TypeError.*\n\s+at .*carried-sessions/);
});

test("a process that exits does not wait for a worker that sleeps", onLinux, () => {
  const { status } = run(`
    const plane = DataPlane.start({ info() {}, warn() {} });
    await plane.memory();
    setTimeout(() => process.exit(7), 100);
  `);
  assert.equal(status, 7);
});

test(
  "all who ask at once whether the worker answers are told, and it does not when it has ended",
  onLinux,
  async () => {
    const plane = DataPlane.start({ info() {}, warn() {} });
    assert(plane instanceof DataPlane);
    assert.deepEqual(await Promise.all([plane.answers(), plane.answers()]), [true, true]);
    assert.equal(await plane.answers(), true);
    await plane.stop();
    assert.equal(await plane.answers(), false);
  },
);
