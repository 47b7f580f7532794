import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Zero } from "../gadgets/zero.ts";
import { readDeviceChoice } from "./device-choice.ts";
import { Dialler } from "./dialler.ts";
import { EventLog } from "./event-log.ts";
import { ExportTable } from "./export-table.ts";
import { Host } from "./host.ts";
import type { ReadyImport } from "./host-conversation.ts";
import { LibuvLoop } from "./libuv-loop.ts";
import { WaitingGuest } from "./waiting-guest.ts";

const folder = mkdtempSync(join(tmpdir(), "usbferry-dialler-"));
after(() => rmSync(folder, { recursive: true }));
const loop = new LibuvLoop();
const silent = { info: () => {}, warn: () => {} };

/** A host that dials, with its log. */
class DiallingHost {
  readonly lines: string[] = [];
  readonly #host: Host;
  readonly #dialler: Dialler;

  constructor(path: string, ...busids: readonly string[]) {
    const exports = new ExportTable();
    for (const busid of busids) exports.add(busid, new Zero());
    const note = (_: object, line: string): void => void this.lines.push(line);
    this.#host = new Host(exports, loop, { info: note, warn: note });
    this.#dialler = new Dialler({ kind: "unix", path }, this.#host, exports, loop, silent);
    this.#dialler.start();
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
  const host = new DiallingHost(path, "a", "b", "c");
  await until("three devices", () => brought.length === 3);
  assert.deepEqual(busidsOf(brought), ["a", "b", "c"]);
  assert.deepEqual(brought[0]!.device.descriptors, new Zero().descriptors);
  guest.close();
  letGo(brought);
  await host.stop();
});

test("a guest that wants one device takes that one, also after the host was away", async () => {
  const path = join(folder, "one");
  const { guest, brought } = await waitAt(path, "b");
  const first = new DiallingHost(path, "a", "b");
  await until("the device", () => brought.length === 1);
  await sleep(300);
  await first.stop();
  assert.equal((await brought[0]!.remote.ended).code, "UNPLUGGED");
  const second = new DiallingHost(path, "a", "b");
  await until("the device again", () => brought.length === 2);
  assert.deepEqual(busidsOf(brought), ["b", "b"]);
  guest.close();
  letGo(brought);
  await second.stop();
});

test("a host finds a guest that comes late, and one that was away", async () => {
  const path = join(folder, "late");
  const host = new DiallingHost(path, "a");
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
  const host = new DiallingHost(path, "a");
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
