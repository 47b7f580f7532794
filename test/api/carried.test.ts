import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Direction } from "../../bench/case.ts";
import { LoadClient } from "../../bench/load.ts";
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import { dialPlace } from "../../src/daemon/place.ts";
import { HostConnection } from "../../src/daemon/wslusb/host-connection.ts";
import { dial } from "../../src/links/dial.ts";
import type { UsbDevice } from "../../src/usb/device.ts";
import { createUrb, TransferStatus } from "../../src/usb/urb.ts";
import { RunningUsbferry } from "../support/usbferry.ts";

/** What the audit tells when a device is free again. */
interface Returned {
  readonly code: string;
  readonly busid?: string;
  readonly durationMs?: number;
  readonly urbs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly errors: object;
}

interface TraceEvent {
  readonly name: string;
  readonly ph: "b" | "e";
  readonly id: string;
  readonly pid: number;
  readonly ts: number;
}

const folder = mkdtempSync(join(tmpdir(), "usbferry-carried-"));
after(() => rmSync(folder, { recursive: true }));
const client = LoadClient.build();
const SIZE = 512;

for (const thread of ["worker", "main"]) {
  test(`the ${thread} counts what a client counted, exactly, and traces the last of it`, async (t) => {
    const path = join(folder, `${thread}.json`);
    const words = `serve --listen tcp:0 --gadget zero --data-plane ${thread} --trace ${path}`;
    const host = new RunningUsbferry(words.split(" "));
    t.after(() => host.end("SIGKILL"));
    await host.until("Sharing");
    const port = Number(/tcp:127\.0\.0\.1:(\d+)/.exec(host.stdout)![1]);
    for (const direction of ["in", "out"] satisfies Direction[]) {
      // Enough for what is looked at in the trace, however busy this machine is.
      const times = { warmMs: 20, measureMs: 60_000, urbs: 3_000 };
      // oxlint-disable-next-line no-await-in-loop -- the device is for one client at a time
      const { urbs } = await client.run(port, { direction, size: SIZE, depth: 32 }, times, undefined);
      // The client has sent two more before it counts: SET_CONFIGURATION, and a transfer whose bytes it looks at.
      const bytes = (urbs + 1) * SIZE;
      // oxlint-disable-next-line no-await-in-loop -- the line comes when the device is free
      const { code, ...returned } = await ofSession(host, direction === "in" ? 0 : 1);
      assert.equal(code, "OK");
      assert.deepEqual(
        [returned.urbs, returned.bytesIn, returned.bytesOut, returned.errors],
        [urbs + 2, direction === "in" ? bytes : 0, direction === "out" ? bytes : 0, {}],
      );
    }
    assert.equal((await host.end("SIGTERM")).code, 0);
    judgeTrace(readFileSync(path, "utf8"));
  });
}

test("what a client of WSL-USB does is in the trace, each device as a session of its own", async (t) => {
  const path = join(folder, "wslusb.json");
  const host = new RunningUsbferry(
    `serve --listen tcp:0 --gadget zero --gadget keyboard --trace ${path}`.split(" "),
  );
  t.after(() => host.end("SIGKILL"));
  await host.until("Sharing");
  const place = dialPlace(/tcp:127\.0\.0\.1:\d+/.exec(host.stdout)![0]);
  const connection = new HostConnection(await dial(place), new LibuvLoop());
  const release = connection.hold();
  await connection.greet();
  const statuses: TransferStatus[] = [];
  for (const busid of ["keyboard", "zero"]) {
    // oxlint-disable-next-line no-await-in-loop -- one session behind the other
    const { device, remote } = await connection.import(busid);
    // oxlint-disable-next-line no-await-in-loop -- as above
    statuses.push(await languages(device));
    remote.close({ code: "OK", reason: "the test is done with it" });
    // oxlint-disable-next-line no-await-in-loop -- as above
    await remote.ended;
  }
  release();
  assert.deepEqual(statuses, [TransferStatus.ok, TransferStatus.ok]);
  assert.equal((await host.end("SIGTERM")).code, 0);
  const { traceEvents } = JSON.parse(readFileSync(path, "utf8")) as { traceEvents: readonly TraceEvent[] };
  const begun = traceEvents.filter(({ name, ph }) => name === "IN 0x80" && ph === "b");
  // s1 is the connection itself.
  assert.deepEqual(
    begun.map(({ pid }) => pid),
    [2, 3],
  );
});

/** How GET_DESCRIPTOR of string 0 ends. */
function languages(device: UsbDevice): Promise<TransferStatus> {
  return new Promise((resolve) => {
    const urb = createUrb(0);
    urb.endpoint = 0x80;
    urb.setup.set([0x80, 6, 0, 3, 0, 0, 4, 0]);
    urb.buffer = new Uint8Array(4);
    urb.length = 4;
    const complete = (): void => resolve(urb.status);
    device.open({ complete, unplugged: () => {} }, new LibuvLoop(), () => {
      device.submit(urb);
      device.flush();
    });
  });
}

/** The audit line of the end of a session, counted from 0. */
async function ofSession(host: RunningUsbferry, index: number): Promise<Returned> {
  const endMs = performance.now() + 10_000;
  for (;;) {
    const lines = host.stderr
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Returned)
      .filter(({ busid, durationMs }) => busid === "zero" && durationMs !== undefined);
    if (lines[index] !== undefined) return lines[index];
    assert.ok(performance.now() < endMs, host.stderr);
    // oxlint-disable-next-line no-await-in-loop -- the log is written when the host has time
    await sleep(10);
  }
}

function judgeTrace(text: string): void {
  const { traceEvents } = JSON.parse(text) as { readonly traceEvents: readonly TraceEvent[] };
  assert.ok(traceEvents.length > 10_000);
  const urbs = traceEvents.filter((_, i) => i % 6 === 0).map(({ name }) => name);
  assert.deepEqual(new Set(urbs.slice(-1000)), new Set(["OUT 0x01"]));
  for (let i = 0; i < traceEvents.length; i += 6) {
    const life = traceEvents.slice(i, i + 6);
    const [begin, device, deviceEnd, link, linkEnd, end] = life;
    assert.deepEqual(new Set(life.map(({ id }) => id)).size, 1);
    assert.ok(
      begin!.ts <= deviceEnd!.ts && deviceEnd!.ts <= linkEnd!.ts && linkEnd!.ts === end!.ts,
      begin!.id,
    );
    assert.equal(device!.ts, begin!.ts);
    assert.equal(link!.ts, deviceEnd!.ts);
  }
}

test("a trace that cannot be written is told before anything starts", async () => {
  const host = new RunningUsbferry(
    "serve --listen tcp:0 --gadget zero --trace /nonexistent/trace".split(" "),
  );
  await once(host.process, "close");
  const code = host.process.exitCode;
  assert.equal(code, 1);
  assert.match(host.stderr, /the trace cannot be written to \/nonexistent\/trace: .*Name another file/);
});
