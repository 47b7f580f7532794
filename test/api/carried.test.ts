import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Direction } from "../../bench/case.ts";
import { LoadClient } from "../../bench/load.ts";
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
      const times = { warmMs: 20, measureMs: 200, urbs: 0 };
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
