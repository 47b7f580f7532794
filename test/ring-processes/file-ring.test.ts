import assert from "node:assert/strict";
import { once } from "node:events";
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { EventLog } from "../../src/daemon/event-log.ts";
import { ExportTable } from "../../src/daemon/export-table.ts";
import { Host } from "../../src/daemon/host.ts";
import { HostConversation, Refused } from "../../src/daemon/host-conversation.ts";
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import { PciRemoteHost } from "../../src/daemon/ring/pci-remote-host.ts";
import { PciRing } from "../../src/daemon/ring/pci-ring.ts";
import { Gate } from "../../src/daemon/rules/gate.ts";
import { SessionRegistry } from "../../src/daemon/session-registry.ts";
import { Keyboard } from "../../src/gadgets/keyboard.ts";
import { Zero } from "../../src/gadgets/zero.ts";
import { type FileRingAddress, printAddress } from "../../src/links/address.ts";
import { LINK_LIMITS } from "../../src/links/link.ts";
import { LinkError } from "../../src/links/link-error.ts";
import { RingLink } from "../../src/links/ring-link.ts";
import { dialUnix } from "../../src/links/unix.ts";
import { Arena } from "../../src/linux/arena.ts";
import { Control, Side } from "../../src/ring/layout.ts";
import { onLinux } from "../support/poll-loop.ts";
import { LoopbackLoad } from "./loopback-load.ts";

const BYTES = 4 << 20;
const folder = mkdtempSync(join(tmpdir(), "usbferry-file-ring-"));
after(() => rmSync(folder, { recursive: true }));
const loop = new LibuvLoop();
let count = 0;

/** The file that is the memory of a virtual machine. */
function memoryFile(bytes = BYTES): string {
  count++;
  const path = join(folder, `${count}.memory`);
  const fd = openSync(path, "w");
  ftruncateSync(fd, bytes);
  closeSync(fd);
  return path;
}

class Served {
  readonly address: FileRingAddress;
  readonly exports = new ExportTable();
  readonly lines: string[] = [];
  readonly registry = new SessionRegistry(new EventLog());
  readonly host: Host;

  constructor(path: string, allowed = true) {
    this.address = { kind: "ring-file", path, waking: { wake: { kind: "unix", path: `${path}.wake` } } };
    this.exports.add("zero", new Zero());
    this.exports.add("keyboard", new Keyboard());
    const write = (_: object, line: string): void => void this.lines.push(line);
    const log = { info: write, warn: write };
    const gate = new Gate({ decide: (_, client) => ({ allowed: allowed && client.link === "ring" }) }, log);
    this.host = new Host(this.exports, loop, log, undefined, gate, this.registry);
  }

  async listen(): Promise<this> {
    await this.host.listen([this.address]);
    return this;
  }

  isFree(wanted: string): boolean {
    return Array.from(this.exports.devices()).some(({ busid, attached }) => busid === wanted && !attached);
  }
}

/** What a virtual machine sees of it: the memory, and what wakes it up. */
async function guestOf(path: string, socket = `${path}.wake`): Promise<PciRing> {
  const fd = openSync(path, "r+");
  const memory = Arena.of(fd, BYTES);
  closeSync(fd);
  assert(memory instanceof Arena);
  const bell = await dialUnix({ kind: "unix", path: socket }, LINK_LIMITS);
  return PciRing.open(new RingLink("ring:pci:0000:00:05.0", memory, bell), loop);
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1_000; i++) {
    if (holds()) return;
    await sleep(10);
  }
  assert.fail(`it does not come to this: ${what}`);
}

const over = (ring: PciRing): Promise<void> => new Promise((resolve) => ring.whenOver(resolve));
const DONE = { code: "OK", reason: "the test is over" } as const;

test("several devices of a host pass through the memory of one virtual machine", onLinux, async () => {
  const served = await new Served(memoryFile()).listen();
  const ring = await guestOf(served.address.path);
  const listed = await new PciRemoteHost(ring, loop).list();
  assert.deepEqual(
    listed.map(({ busid }) => busid),
    ["zero", "keyboard"],
  );
  const zero = await new PciRemoteHost(ring, loop).import("zero");
  const keyboard = await new PciRemoteHost(ring, loop).import("keyboard");
  assert.deepEqual([zero.remote.record.idProduct, zero.remote.record.busid], [0xa4a0, "zero"]);
  assert.deepEqual([served.isFree("zero"), served.isFree("keyboard")], [false, false]);
  await assert.rejects(
    new PciRemoteHost(ring, loop).import("zero"),
    (error) => error instanceof Refused && /zero is in use/.test(error.message),
  );
  await assert.rejects(new PciRemoteHost(ring, loop).import("9-9"), /has no device "9-9"/);

  const load = new LoopbackLoad(zero.device, loop, () => {});
  load.start();
  await until("100 messages", () => load.report.messages >= 100);
  keyboard.remote.close(DONE);
  assert.equal((await keyboard.remote.ended).code, "OK");
  await until("the keyboard is free", () => served.isFree("keyboard"));
  const before = load.report.messages;
  await until("messages go on", () => load.report.messages > before + 10);
  await new Promise<void>((resolve) => load.end(resolve));
  assert.deepEqual([load.report.inFlight, load.report.wrong], [0, []]);
  zero.remote.close(DONE);
  await over(ring);
  await until("zero is free", () => served.isFree("zero"));
  await served.host.stop();
});

test("a host that stops, and one that is back, are others to the guest", onLinux, async () => {
  const path = memoryFile();
  const first = await new Served(path).listen();
  const ring = await guestOf(first.address.path);
  const { remote, device } = await new PciRemoteHost(ring, loop).import("zero");
  const load = new LoopbackLoad(device, loop, () => {});
  load.start();
  await until("a message", () => load.report.messages > 0);
  await first.host.stop();
  assert.equal((await remote.ended).code, "UNPLUGGED");
  assert.deepEqual([load.report.inFlight, load.report.wrong], [0, []]);
  await over(ring);
  const second = await new Served(path).listen();
  const again = await guestOf(second.address.path);
  const taken = await new PciRemoteHost(again, loop).import("zero");
  taken.remote.close(DONE);
  await taken.remote.ended;
  await second.host.stop();
  await over(again);
});

test(
  "a guest that dials again takes the place of the one that it was, and what that had is free",
  onLinux,
  async () => {
    const served = await new Served(memoryFile()).listen();
    const lost = await guestOf(served.address.path);
    const { remote } = await new PciRemoteHost(lost, loop).import("zero");
    const found = await guestOf(served.address.path);
    assert.equal((await remote.ended).code, "UNPLUGGED");
    const taken = await new PciRemoteHost(found, loop).import("zero");
    taken.remote.close(DONE);
    await taken.remote.ended;
    await served.host.stop();
  },
);

test("a device that its host withdraws is gone at once, and the others stay", onLinux, async () => {
  const served = await new Served(memoryFile()).listen();
  const ring = await guestOf(served.address.path);
  const zero = await new PciRemoteHost(ring, loop).import("zero");
  const keyboard = await new PciRemoteHost(ring, loop).import("keyboard");
  void served.exports.withdraw("zero");
  const { remote } = zero;
  const session = served.registry.sessions().find(({ device }) => device?.busid === "zero");
  await served.registry.kick(session!.id);
  assert.equal((await remote.ended).code, "UNPLUGGED");
  assert.equal(served.isFree("keyboard"), false);
  keyboard.remote.close(DONE);
  await keyboard.remote.ended;
  await served.host.stop();
});

test("a virtual machine sees what a rule allows it, and nothing else", onLinux, async () => {
  const served = await new Served(memoryFile(), false).listen();
  const ring = await guestOf(served.address.path);
  assert.deepEqual(await new PciRemoteHost(ring, loop).list(), []);
  await assert.rejects(new PciRemoteHost(ring, loop).import("zero"), Refused);
  await served.host.stop();
});

test(
  "everything that passes over a connection passes through a stream, up to a whole device",
  onLinux,
  async () => {
    const served = await new Served(memoryFile()).listen();
    const ring = await guestOf(served.address.path);
    const { remote, device } = await new HostConversation(ring.dial(), loop).import("zero");
    const load = new LoopbackLoad(device, loop, () => {});
    load.start();
    await until("50 messages", () => load.report.messages >= 50);
    await new Promise<void>((resolve) => load.end(resolve));
    assert.deepEqual(load.report.wrong, []);
    remote.close(DONE);
    await over(ring);
    await served.host.stop();
  },
);

test("memory that is no memory of a ring is refused before anybody comes", onLinux, async () => {
  for (const bytes of [1 << 20, 5 << 20, 512 << 20]) {
    await assert.rejects(
      new Served(memoryFile(bytes)).listen(),
      (error) => error instanceof LinkError && error.code === "BAD_MEMORY",
    );
  }
  const first = await new Served(memoryFile()).listen();
  const ring = await guestOf(first.address.path);
  const { remote } = await new PciRemoteHost(ring, loop).import("zero");
  const second = new Served(first.address.path);
  await assert.rejects(second.listen(), /another process has its memory \(EBUSY\)/);
  remote.close(DONE);
  await first.host.stop();
});

test("memory that is not there is waited for, and told of when somebody comes", onLinux, async () => {
  const path = join(folder, "later");
  const served = await new Served(path).listen();
  const bell = await dialUnix({ kind: "unix", path: `${path}.wake` }, LINK_LIMITS);
  bell.start(
    () => {},
    () => {},
  );
  await until("it is told", () => served.lines.some((line) => line.startsWith("ENOENT")));
  closeSync(openSync(path, "w"));
  await served.host.stop();
});

test(
  "a guest that writes nonsense into the memory loses what it has, and may begin anew",
  onLinux,
  async () => {
    const served = await new Served(memoryFile()).listen();
    for (let seed = 1; seed <= 10; seed++) {
      const ring = await guestOf(served.address.path);
      const { remote } = await new PciRemoteHost(ring, loop).import("keyboard");
      const fd = openSync(served.address.path, "r+");
      const memory = Arena.of(fd, BYTES);
      closeSync(fd);
      assert(memory instanceof Arena);
      const words = new Int32Array(memory.bytes.buffer);
      const guestEpoch = words[(Control.guest + Side.epoch) / 4];
      let random = seed;
      const next = (): number => (random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0);
      for (let i = 0; i < 4_096; i++) words[next() % (512 << 8)] = next() | 0;
      words[(Control.guest + Side.epoch) / 4] = guestEpoch! + 1;
      new PciRemoteHost(ring, loop).close();
      await remote.ended;
      await over(ring);
      await until("the keyboard is free", () => served.isFree("keyboard"));
      memory.free();
    }
    await served.host.stop();
  },
);

/** What a monitor does between the socket of a port, where the host comes, and the port itself, where its guest does. */
async function monitorAt(path: string): Promise<() => void> {
  const open = new Set<Socket>();
  const ends: Socket[] = [];
  const servers = [path, `${path}.guest`].map((place) =>
    createServer((socket) => {
      open.add(socket);
      socket.on("error", () => {}).once("close", () => open.delete(socket));
      ends.push(socket);
      if (ends.length === 2) {
        const [one, other] = ends.splice(0);
        one!.pipe(other!).pipe(one!);
      }
    }).listen(place),
  );
  await Promise.all(servers.map((server) => once(server, "listening")));
  return () => {
    for (const server of servers) server.close();
    for (const socket of open) socket.destroy();
  };
}

test(
  "a monitor that starts later, ends and comes back is found at the socket of its port",
  onLinux,
  async () => {
    const path = memoryFile();
    const served = new Served(path);
    const port = `${path}.port`;
    await served.host.listen([{ kind: "ring-file", path, waking: { port } }]);
    for (const life of [1, 2]) {
      const stop = await monitorAt(port);
      const ring = await guestOf(path, `${port}.guest`);
      const { remote } = await new PciRemoteHost(ring, loop).import("zero");
      if (life === 1) {
        stop();
        assert.equal((await remote.ended).code, "UNPLUGGED");
        await until("zero is free", () => served.isFree("zero"));
      } else {
        remote.close(DONE);
        await remote.ended;
        await served.host.stop();
        stop();
      }
    }
  },
);

test("the address of a memory is printed as it is read", () => {
  assert.equal(
    printAddress(new Served("/dev/shm/vm1").address),
    "ring:file:/dev/shm/vm1,wake=unix:/dev/shm/vm1.wake",
  );
});
