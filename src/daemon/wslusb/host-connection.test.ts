import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Zero } from "../../gadgets/zero.ts";
import { readDeviceChoice } from "../device-choice.ts";
import { Dialler } from "../dialler.ts";
import { EventLog } from "../event-log.ts";
import { ExportTable } from "../export-table.ts";
import { Host } from "../host.ts";
import { LibuvLoop } from "../libuv-loop.ts";
import type { Place } from "../place.ts";
import type { ReadyImport } from "../remote-host.ts";
import { RemoteHosts } from "../remote-hosts.ts";
import { RemoteSearch } from "../remote-search.ts";
import type { SessionEnd } from "../session-end.ts";
import { SessionRegistry } from "../session-registry.ts";
import { WaitingGuest } from "../waiting-guest.ts";

const folder = mkdtempSync(join(tmpdir(), "usbferry-wslusb-"));
after(() => rmSync(folder, { recursive: true }));
const loop = new LibuvLoop();
const silent = { info: () => {}, warn: () => {} };
const OVER: SessionEnd = { code: "OK", reason: "the test is over" };
let places = 0;

/** A host with a zero for each serial number: `zero`, `zero-2` and so on. */
class TestHost {
  readonly place: Place = { kind: "unix", path: join(folder, String(places++)), protocol: "wslusb" };
  readonly exports = new ExportTable();
  readonly registry = new SessionRegistry(new EventLog());
  readonly zeros: Zero[] = [];
  readonly host = new Host(this.exports, loop, silent, undefined, undefined, this.registry);

  constructor(...serials: readonly string[]) {
    for (const serial of serials) this.plug(serial);
  }

  static async listen(...serials: readonly string[]): Promise<TestHost> {
    const host = new TestHost(...serials);
    await host.host.listen([host.place]);
    return host;
  }

  plug(serial: string): void {
    const zero = new Zero({ serial });
    this.zeros.push(zero);
    this.exports.add("zero", zero, serial);
  }

  /** Bus ids of the sessions, and a dash for a connection. */
  get sessions(): string {
    return this.registry
      .sessions()
      .map(({ device }) => device?.busid ?? "-")
      .join(" ");
  }
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!condition()) {
    assert(performance.now() < endMs, `10 s passed without this: ${what}`);
    await sleep(5);
  }
}

test("devices of one host share a connection, which closes with the last of them", async () => {
  const host = await TestHost.listen("a", "b");
  const hosts = new RemoteHosts(loop);
  const [first, second] = await Promise.all(
    ["zero", "zero-2"].map(async (busid) => (await hosts.open(host.place)).import(busid)),
  );
  assert.equal(host.sessions, "- zero zero-2");
  assert.deepEqual(first!.device.descriptors, host.zeros[0]!.descriptors);
  first!.remote.close(OVER);
  assert.deepEqual(await first!.remote.ended, OVER);
  assert.equal(host.sessions, "- zero-2");
  second!.remote.close(OVER);
  await second!.remote.ended;
  await until("the connection closed", () => host.sessions === "");
  await host.host.stop();
});

test("a list tells what is free, with all that there is to know of it", async () => {
  const host = await TestHost.listen("a", "b");
  const hosts = new RemoteHosts(loop);
  const ready = await (await hosts.open(host.place)).import("zero");
  const conversation = await hosts.open(host.place);
  const [listed, ...more] = await conversation.list();
  conversation.close();
  assert.deepEqual(more, []);
  assert.deepEqual(
    [listed?.busid, listed?.speed, listed?.idVendor, listed?.interfaces.length],
    ["zero-2", 3, ready.remote.record.idVendor, listed?.bNumInterfaces],
  );
  ready.remote.close(OVER);
  await ready.remote.ended;
  await host.host.stop();
});

test("a device is found by its serial number, and others are given back", async () => {
  const host = await TestHost.listen("a", "wanted", "c");
  const search = new RemoteSearch(host.place, new RemoteHosts(loop), loop, new AbortController().signal);
  const ready = await search.import(readDeviceChoice("0525:a4a0:wanted"));
  assert.equal(ready.remote.record.busid, "zero-2");
  await until("the others are back", () => host.sessions === "- zero-2");
  await assert.rejects(search.import(readDeviceChoice("0525:a4a0:none")), /no such device with the serial/);
  ready.remote.close(OVER);
  await ready.remote.ended;
  await host.host.stop();
});

test("what a host does not give is refused with what to do", async () => {
  const host = await TestHost.listen("a");
  const hosts = new RemoteHosts(loop);
  const ready = await (await hosts.open(host.place)).import("zero");
  await assert.rejects((await hosts.open(host.place)).import("zero"), /zero is in use\. Detach it/);
  await assert.rejects((await hosts.open(host.place)).import("none"), /has no device "none"/);
  ready.remote.close(OVER);
  await ready.remote.ended;
  await host.host.stop();
});

test("a device that is unplugged, kicked, or lost with its host ends with its reason", async () => {
  const host = await TestHost.listen("a", "b", "c");
  const hosts = new RemoteHosts(loop);
  const all: ReadyImport[] = [];
  for (const busid of ["zero", "zero-2", "zero-3"]) {
    all.push(await (await hosts.open(host.place)).import(busid));
  }
  host.zeros[0]!.unplug();
  assert.match((await all[0]!.remote.ended).reason, /unplugged at the host/);
  const [, , kicked] = host.registry.sessions();
  void host.registry.kick(kicked!.id);
  assert.match((await all[2]!.remote.ended).reason, /took the device back \(DENIED\)/);
  const stopped = host.host.stop(0);
  assert.deepEqual(await all[1]!.remote.ended, {
    code: "ENDED",
    reason: "the peer ends with status 64: ENDED: this host stopped",
  });
  await stopped;
});

test("a USB/IP host that knows nothing else, and one that says nothing, are told apart from ours", async () => {
  const path = join(folder, "stock");
  const stock = createServer((socket) => socket.end()).listen(path);
  const hosts = new RemoteHosts(loop);
  await assert.rejects(
    hosts.open({ kind: "unix", path, protocol: "wslusb" }),
    /did not answer: the host closed the connection\. Check that a usbferry host listens there/,
  );
  stock.close();
});

test("a host that dials brings all its devices over one connection, also those that are plugged in later", async () => {
  const host = new TestHost("a", "b");
  const brought: ReadyImport[] = [];
  const guest = await WaitingGuest.listen(
    host.place,
    undefined,
    loop,
    silent,
    new EventLog(),
    async (ready) => void brought.push(ready),
  );
  const dialler = new Dialler(host.place, host.host, host.exports, loop, silent);
  dialler.start();
  await until("two devices", () => brought.length === 2);
  assert.equal(host.sessions, "- zero zero-2");
  host.plug("c");
  await until("the third", () => brought.length === 3);
  assert.equal(host.sessions, "- zero zero-2 zero-3");
  // It is taken again as soon as it is back.
  host.zeros[0]!.unplug();
  void host.exports.withdraw("zero");
  await brought[0]!.remote.ended;
  await until(
    "it is gone",
    () => host.exports.find("zero") === undefined && host.sessions === "- zero-2 zero-3",
  );
  host.plug("a");
  await until("it is back", () => brought.length === 4);
  guest.refuse("zero-2");
  brought.find(({ remote }) => remote.record.busid === "zero-2")!.remote.close(OVER);
  await until("it is free", () => !host.sessions.includes("zero-2"));
  await sleep(50);
  assert.equal(brought.length, 4, "what was refused is not taken again");
  dialler.stop();
  guest.close();
  await host.host.stop(0);
});
