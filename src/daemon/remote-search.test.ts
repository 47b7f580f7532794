import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Zero } from "../gadgets/zero.ts";
import { readDeviceChoice } from "./device-choice.ts";
import { ExportTable } from "./export-table.ts";
import { Failed } from "./failure.ts";
import { Host } from "./host.ts";
import { LibuvLoop } from "./libuv-loop.ts";
import type { ReadyImport } from "./remote-host.ts";
import { RemoteHosts } from "./remote-hosts.ts";
import { RemoteSearch } from "./remote-search.ts";

const folder = mkdtempSync(join(tmpdir(), "usbferry-search-"));
after(() => rmSync(folder, { recursive: true }));
const loop = new LibuvLoop();
let hosts = 0;

/** Lists devices that somebody has, as hosts do whose list is older than the import. */
class LateTable extends ExportTable {
  override *devices(): ReturnType<ExportTable["devices"]> {
    for (const exported of super.devices()) yield { ...exported, attached: false };
  }
}

/** A host with a zero for each serial number, `zero`, `zero-2` and so on; runs the test and ends it. */
async function withHost(
  serials: readonly string[],
  run: (
    find: (device: string, signal?: AbortSignal) => Promise<ReadyImport>,
    table: ExportTable,
  ) => Promise<void>,
): Promise<void> {
  const table = new LateTable();
  for (const serial of serials) table.add("zero", new Zero({ serial }));
  table.add("other", new Zero({ serial: "wanted", productId: 1 }));
  const host = new Host(table, loop, { info: () => {}, warn: () => {} });
  const place = { kind: "unix", path: join(folder, String(hosts++)) } as const;
  await host.listen([place]);
  try {
    const never = new AbortController().signal;
    await run(
      (device, signal = never) =>
        new RemoteSearch(place, new RemoteHosts(loop), loop, signal).import(readDeviceChoice(device)),
      table,
    );
    await untilFree(table);
  } finally {
    await host.stop();
  }
}

async function untilFree(table: ExportTable): Promise<void> {
  const endMs = performance.now() + 10_000;
  const isTaken = (): boolean =>
    ["zero", "zero-2", "zero-3"].some((busid) => table.find(busid)?.attached === true);
  while (isTaken()) {
    assert(performance.now() < endMs, "a device that was only asked is still taken after 10 s");
    await sleep(5);
  }
}

const failure = (pattern: RegExp) => (error: unknown) => {
  assert(error instanceof Failed);
  assert.match(error.message, pattern);
  return true;
};

test("of several devices the one with the serial number is taken, and the others are given back", () =>
  withHost(["one", "wanted", ""], async (find, table) => {
    const { remote, device } = await find("0525:a4a0:wanted");
    assert.equal(remote.record.busid, "zero-2");
    assert.deepEqual(device.descriptors, new Zero({ serial: "wanted" }).descriptors);
    assert.equal(table.find("zero-2")!.attached, true);
    remote.close({ code: "OK", reason: "the test is over" });
  }));

test("where none has it, what each has is told", () =>
  withHost(["one", "", "Wanted"], (find) =>
    assert.rejects(
      find("0525:a4a0:wanted"),
      failure(
        /^unix:\S+ has no such device with the serial number "wanted" that is free: zero has "one"; zero-2 has none; zero-3 has "Wanted"\. .*bus id/,
      ),
    ),
  ));

test("of many others some are told, and nothing of them speaks to a terminal", () =>
  withHost(
    Array.from({ length: 23 }, (_, i) => `\u001b[2J${i}`),
    (find) =>
      assert.rejects(
        find("0525:a4a0:wanted"),
        failure(/: zero has "\?\[2J0"; zero-2 [ -~]*; zero-20 has "\?\[2J19" and 3 more\. /),
      ),
  ));

test("where nothing has the numbers, what is there is told", () =>
  withHost(["one"], (find) =>
    assert.rejects(
      find("0525:9999:one"),
      failure(/has no such device that is free; it offers zero, other\./),
    ),
  ));

test("two with the same serial number are told by their bus ids", () =>
  withHost(["twin", "one", "twin"], (find) =>
    assert.rejects(
      find("0525:a4a0:twin"),
      failure(/has 2 such devices with the serial number "twin": name one by its bus id: zero, zero-3\./),
    ),
  ));

test("a device that somebody has cannot be asked, and the search says so", () =>
  withHost(["busy", "one", "two"], async (find, table) => {
    const busy = await find("zero");
    await assert.rejects(
      find("0525:a4a0:busy"),
      failure(/: zero could not be asked \(zero is in use\. .*\); zero-2 has "one"; zero-3 has "two"\./),
    );
    const two = await find("0525:a4a0:two");
    assert.equal(two.remote.record.busid, "zero-3");
    assert.equal(table.find("zero")!.attached, true);
    for (const { remote } of [busy, two]) remote.close({ code: "OK", reason: "the test is over" });
  }));

test("a search that is cancelled keeps nothing", () =>
  withHost(["one", "two"], async (find) => {
    const cancel = new AbortController();
    const searching = find("0525:a4a0:two", cancel.signal);
    cancel.abort();
    await assert.rejects(searching, Failed);
  }));
