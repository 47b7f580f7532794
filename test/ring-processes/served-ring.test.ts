import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ExportTable } from "../../src/daemon/export-table.ts";
import { Host } from "../../src/daemon/host.ts";
import { Refused } from "../../src/daemon/host-conversation.ts";
import { HOST_LIMITS } from "../../src/daemon/host-limits.ts";
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import { RemoteHosts } from "../../src/daemon/remote-hosts.ts";
import { Keyboard } from "../../src/gadgets/keyboard.ts";
import { Zero } from "../../src/gadgets/zero.ts";
import type { RingAddress } from "../../src/links/address.ts";
import { encodeRequest, REQUEST_BYTES } from "../../src/links/handover.ts";
import { LINK_LIMITS } from "../../src/links/link.ts";
import { dialRing } from "../../src/links/ring.ts";
import { RingLink } from "../../src/links/ring-link.ts";
import { Control, Side } from "../../src/ring/layout.ts";
import { onLinux } from "../support/poll-loop.ts";
import { LoopbackLoad } from "./loopback-load.ts";

const folder = mkdtempSync(join(tmpdir(), "usbferry-served-ring-"));
after(() => rmSync(folder, { recursive: true }));
const loop = new LibuvLoop();
let count = 0;

interface Serving {
  readonly address: RingAddress;
  readonly host: Host;
  readonly exports: ExportTable;
  readonly lines: string[];
}

async function serving(limits = HOST_LIMITS): Promise<Serving> {
  const exports = new ExportTable();
  exports.add("zero", new Zero());
  exports.add("keyboard", new Keyboard());
  const lines: string[] = [];
  const write = (_: object, line: string): void => void lines.push(line);
  const host = new Host(exports, loop, { info: write, warn: write }, limits);
  count++;
  const address: RingAddress = { kind: "ring", path: join(folder, `${count}.ring`) };
  await host.listen([address]);
  return { address, host, exports, lines };
}

const isFree = ({ exports }: Serving, wanted: string): boolean =>
  Array.from(exports.devices()).some(({ busid, attached }) => busid === wanted && !attached);

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1_000; i++) {
    if (holds()) return;
    await sleep(10);
  }
  assert.fail(`it does not come to this: ${what}`);
}

test(
  "a device comes through memory, and messages pass through it, until it is given back",
  onLinux,
  async () => {
    const served = await serving();
    const hosts = new RemoteHosts(loop);
    const conversation = await hosts.open(served.address);
    assert.deepEqual(
      (await conversation.list()).map(({ busid }) => busid),
      ["zero", "keyboard"],
    );
    const { remote, device } = await (await hosts.open(served.address)).import("zero");
    assert.equal(remote.record.idProduct, 0xa4a0);
    assert.equal(isFree(served, "zero"), false);
    const load = new LoopbackLoad(device, loop, () => {});
    load.start();
    await until("100 messages", () => load.report.messages >= 100);
    await new Promise<void>((resolve) => load.end(resolve));
    assert.deepEqual([load.report.inFlight, load.report.wrong], [0, []]);
    remote.close({ code: "OK", reason: "the test is over" });
    assert.equal((await remote.ended).code, "OK");
    await until("zero is free", () => isFree(served, "zero"));
    await served.host.stop();
  },
);

test(
  "a device that there is not, or that somebody has, is refused in the words of USB/IP",
  onLinux,
  async () => {
    const served = await serving();
    const hosts = new RemoteHosts(loop);
    const take = async (busid: string) => (await hosts.open(served.address)).import(busid);
    await assert.rejects(
      take("9-9"),
      (error) => error instanceof Refused && /has no device "9-9"/.test(error.message),
    );
    const { remote } = await take("keyboard");
    await assert.rejects(take("keyboard"), /keyboard is in use/);
    remote.close({ code: "OK", reason: "the test is over" });
    await remote.ended;
    await until("keyboard is free", () => isFree(served, "keyboard"));
    await served.host.stop();
  },
);

test(
  "a host that stops ends what its guests have, and a guest is told of a device that is taken back",
  onLinux,
  async () => {
    const served = await serving();
    const hosts = new RemoteHosts(loop);
    const { remote } = await (await hosts.open(served.address)).import("zero");
    const stopped = served.host.stop();
    assert.equal((await remote.ended).code, "UNPLUGGED");
    await stopped;
  },
);

test(
  "a guest that takes memory and never greets has the device no longer than a handshake",
  onLinux,
  async () => {
    const served = await serving({ ...HOST_LIMITS, handshakeMs: 100 });
    const ring = await dialRing(served.address, "zero", LINK_LIMITS);
    assert(ring instanceof RingLink);
    assert.equal(isFree(served, "zero"), false);
    await until("zero is free", () => isFree(served, "zero"));
    assert(served.lines.some((line) => line.startsWith("HANDSHAKE_TIMEOUT")));
    ring.destroy();
    await served.host.stop();
  },
);

test(
  "a guest that writes nonsense into the memory loses its device, and no other guest notices",
  onLinux,
  async () => {
    const served = await serving();
    const hosts = new RemoteHosts(loop);
    const steady = await (await hosts.open(served.address)).import("zero");
    const load = new LoopbackLoad(steady.device, loop, () => {});
    load.start();
    for (let seed = 1; seed <= 20; seed++) {
      const ring = await dialRing(served.address, "keyboard", LINK_LIMITS);
      assert(ring instanceof RingLink);
      const words = new Int32Array(ring.memory.bytes.buffer);
      const hostEpoch = words[(Control.host + Side.epoch) / 4]!;
      let random = seed;
      const next = (): number => (random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0);
      for (let i = 0; i < 4_096; i++) words[next() % (512 << 8)] = next() | 0;
      words[(Control.guest + Side.epoch) / 4] = seed;
      words[(Control.guest + Side.sees) / 4] = hostEpoch;
      for (let i = 0; i < 10; i++) {
        ring.wake();
        words[next() % (512 << 8)] = next() | 0;
        await sleep(1);
      }
      ring.destroy();
      await until("keyboard is free", () => isFree(served, "keyboard"));
    }
    const before = load.report.messages;
    await until("messages go on", () => load.report.messages > before + 10);
    assert.deepEqual(load.report.wrong, []);
    await new Promise<void>((resolve) => load.end(resolve));
    steady.remote.close({ code: "OK", reason: "the test is over" });
    await steady.remote.ended;
    await served.host.stop();
  },
);

test("a request in single bytes is taken, and one that is cut leaves nothing behind", onLinux, async () => {
  const served = await serving({ ...HOST_LIMITS, handshakeMs: 200 });
  const request = encodeRequest("zero");
  const before = readdirSync("/proc/self/fd").length;
  for (const length of [4, REQUEST_BYTES - 1, REQUEST_BYTES]) {
    const socket: Socket = connect(served.address.path);
    for (let i = 0; i < length; i++) socket.write(request.subarray(i, i + 1));
    await until(`the host has read ${length} bytes`, () => socket.bytesWritten === length);
    if (length === REQUEST_BYTES) await until("zero is taken", () => !isFree(served, "zero"));
    socket.destroy();
    await until("zero is free", () => isFree(served, "zero"));
  }
  await until("nothing stays open", () => readdirSync("/proc/self/fd").length <= before);
  await served.host.stop();
});
