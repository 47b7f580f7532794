import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Zero } from "../gadgets/zero.ts";
import type { Cancellable, Loop } from "../usb/loop.ts";
import { readDeviceChoice } from "./device-choice.ts";
import { Dialler } from "./dialler.ts";
import { EventLog } from "./event-log.ts";
import { ExportTable } from "./export-table.ts";
import { Host } from "./host.ts";
import { LibuvLoop } from "./libuv-loop.ts";
import type { ReadyImport } from "./remote-host.ts";
import { WaitingGuest } from "./waiting-guest.ts";

const folder = mkdtempSync(join(tmpdir(), "usbferry-dialler-"));
after(() => rmSync(folder, { recursive: true }));
const loop = new LibuvLoop();
const silent = { info: () => {}, warn: () => {} };

/** Time that passes as fast as nothing else happens: what is waited for is written down. */
class HurriedLoop extends LibuvLoop {
  readonly waitsMs: number[] = [];
  #skippedMs = 0;

  override now(): number {
    return super.now() + this.#skippedMs;
  }

  override after(delayMs: number, callback: () => void): Cancellable {
    this.waitsMs.push(delayMs);
    return super.after(Math.min(delayMs, 1), callback);
  }

  /** Lets time pass between two moments. */
  skip(ms: number): void {
    this.#skippedMs += ms;
  }
}

/** A host that dials, with its log. */
class DiallingHost {
  readonly lines: string[] = [];
  readonly #host: Host;
  readonly #dialler: Dialler;

  /** A device is its bus id, here also its serial number. */
  constructor(path: string, busids: readonly string[], dialling: Loop = loop, random = Math.random) {
    const exports = new ExportTable();
    for (const busid of busids) exports.add(busid, new Zero({ serial: busid }));
    const note = (_: object, line: string): void => void this.lines.push(line);
    this.#host = new Host(exports, loop, { info: note, warn: note });
    this.#dialler = new Dialler({ kind: "unix", path }, this.#host, exports, dialling, silent, random);
    this.#dialler.start();
  }

  /** How often a device was given to a guest. */
  imports(busid: string): number {
    return this.lines.filter((line) => line.endsWith(` has ${busid}`)).length;
  }

  stop(): Promise<void> {
    this.#dialler.stop();
    return this.#host.stop();
  }
}

/** A guest that waits and keeps what it is brought, without a kernel. */
async function waitAt(
  path: string,
  device?: string,
): Promise<{ guest: WaitingGuest; brought: ReadyImport[] }> {
  const brought: ReadyImport[] = [];
  const choice = device === undefined ? undefined : readDeviceChoice(device);
  const welcome = async (ready: ReadyImport): Promise<void> => void brought.push(ready);
  const guest = await WaitingGuest.listen(
    { kind: "unix", path },
    choice,
    loop,
    silent,
    new EventLog(),
    welcome,
  );
  return { guest, brought };
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!condition()) {
    assert(performance.now() < endMs, `10 s passed without this: ${what}`);
    await sleep(5);
  }
}

const busidsOf = (brought: readonly ReadyImport[]) =>
  brought.map(({ remote }) => remote.record.busid).toSorted();
const letGo = (brought: readonly ReadyImport[]) => {
  for (const { remote } of brought) remote.close({ code: "STOPPED", reason: "the test is over" });
};

test("a host brings every device it has, one connection each", async () => {
  const path = join(folder, "all");
  const { guest, brought } = await waitAt(path);
  const host = new DiallingHost(path, ["a", "b", "c"]);
  await until("three devices", () => brought.length === 3);
  assert.deepEqual(busidsOf(brought), ["a", "b", "c"]);
  assert.deepEqual(brought[0]!.device.descriptors, new Zero({ serial: "a" }).descriptors);
  guest.close();
  letGo(brought);
  await host.stop();
});

test("a guest that wants one device takes that one, also after the host was away", async () => {
  const path = join(folder, "one");
  const { guest, brought } = await waitAt(path, "b");
  const first = new DiallingHost(path, ["a", "b"]);
  await until("the device", () => brought.length === 1);
  await sleep(300);
  await first.stop();
  assert.equal((await brought[0]!.remote.ended).code, "UNPLUGGED");
  const second = new DiallingHost(path, ["a", "b"]);
  await until("the device again", () => brought.length === 2);
  assert.deepEqual(busidsOf(brought), ["b", "b"]);
  guest.close();
  letGo(brought);
  await second.stop();
});

test("a host finds a guest that comes late, and one that was away", async () => {
  const path = join(folder, "late");
  const host = new DiallingHost(path, ["a"]);
  await sleep(300);
  for (let round = 0; round < 2; round++) {
    const { guest, brought } = await waitAt(path);
    await until("the device", () => brought.length === 1);
    guest.close();
    letGo(brought);
  }
  await host.stop();
});

test("a device that is no longer wanted is not taken again", async () => {
  const path = join(folder, "unwanted");
  const { guest, brought } = await waitAt(path);
  const host = new DiallingHost(path, ["a"]);
  await until("the device", () => brought.length === 1);
  assert.equal(guest.refuse("a"), false);
  letGo(brought);
  await until(
    "more connections without a device",
    () => host.lines.filter((l) => l.startsWith("OK")).length >= 3,
  );
  assert.equal(brought.length, 1);
  guest.close();
  await host.stop();
});

test("a guest that waits for a serial number takes the device that has it, also after the host was away", async () => {
  const path = join(folder, "serial");
  const { guest, brought } = await waitAt(path, "0525:a4a0:c");
  const first = new DiallingHost(path, ["a", "b", "c"]);
  await until("the device", () => brought.length === 1);
  await until("others to be offered in vain", () => first.lines.some((line) => line.startsWith("OK unix")));
  await first.stop();
  const second = new DiallingHost(path, ["c", "a"]);
  await until("the device again", () => brought.length === 2);
  assert.deepEqual(busidsOf(brought), ["c", "c"]);
  assert.deepEqual(
    ["a", "b"].map((busid) => first.imports(busid)),
    [1, 1],
    "each was asked once",
  );
  guest.close();
  letGo(brought);
  await second.stop();
});

test("a host without the device that is waited for is asked once and left to its back-off", async () => {
  const path = join(folder, "none");
  const { guest, brought } = await waitAt(path, "0525:a4a0:z");
  const hurried = new HurriedLoop();
  const host = new DiallingHost(path, ["a", "b"], hurried, () => 1);
  await until("the longest wait", () => hurried.waitsMs.includes(10_000));
  assert.deepEqual([host.imports("a"), host.imports("b"), brought.length], [1, 1, 0]);
  guest.close();
  await host.stop();
});

test("each wait is twice as long as the last up to ten seconds, and half of it is random", async () => {
  for (const random of [0, 1]) {
    const hurried = new HurriedLoop();
    const host = new DiallingHost(join(folder, "nobody"), ["a"], hurried, () => random);
    await until("nine waits", () => hurried.waitsMs.length >= 9);
    const most = [0, 250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000];
    assert.deepEqual(
      hurried.waitsMs.slice(0, 9),
      most.map((ms) => (ms * (1 + random)) / 2),
    );
    await host.stop();
  }
});

test("after a device was kept for a while, waits begin small again", async () => {
  const path = join(folder, "kept");
  const hurried = new HurriedLoop();
  const host = new DiallingHost(path, ["a"], hurried, () => 1);
  await until("the longest wait", () => hurried.waitsMs.includes(10_000));
  const { guest, brought } = await waitAt(path);
  await until("the device", () => brought.length === 1);
  hurried.skip(2_000);
  guest.close();
  hurried.waitsMs.length = 0;
  letGo(brought);
  await until("a long wait again", () => hurried.waitsMs.includes(8_000));
  const waitsMs = hurried.waitsMs.filter((ms) => ms !== 500);
  assert.deepEqual(waitsMs.slice(0, 5), [250, 1000, 2000, 4000, 8000]);
  await host.stop();
});

test("a guest that gives every device back at once does not keep the host busy", async () => {
  const path = join(folder, "back");
  const guest = await WaitingGuest.listen(
    { kind: "unix", path },
    undefined,
    loop,
    silent,
    new EventLog(),
    async ({ remote }) => {
      remote.close({ code: "OK", reason: "not wanted" });
    },
  );
  const hurried = new HurriedLoop();
  const host = new DiallingHost(path, ["a", "b", "c"], hurried, () => 1);
  await until("the longest wait", () => hurried.waitsMs.includes(10_000));
  const rows = hurried.waitsMs
    .map((ms) => (ms === 0 ? "0" : " "))
    .join("")
    .trim();
  assert.deepEqual(
    rows.split(/ +/).filter((row) => row.length > 3),
    [],
    "dials without a wait between them",
  );
  guest.close();
  await host.stop();
});
