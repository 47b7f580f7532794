import assert from "node:assert/strict";
import {
  ATTACH_LINES,
  type Attachment,
  attach,
  detachAll,
  LINK_LOST_LINES,
  portsInUse,
} from "../attachment.ts";
import type { Guest } from "../guest.ts";
import type { Scenario } from "../scenario.ts";
import { ServeProcess } from "../serve-process.ts";
import { ServedHost } from "../served-host.ts";

/** How soon the other side has to be clean when one side goes away. */
const CLEAN_MS = 1_000;

/** -ESHUTDOWN, -EPROTO, -ENODEV, -ENOENT: what drivers see of transfers whose device has gone. */
const GONE = new Set(["-108", "-71", "-19", "-2"]);

interface Stream {
  /** When the program has ended: the statuses that its transfers ended with. */
  readonly ended: Promise<readonly string[]>;
}

/** A program in the guest that reads from the device all the time; resolves when data flows. */
async function startStream(guest: Guest, { node }: Attachment): Promise<Stream> {
  let flowing = false;
  const statuses: string[] = [];
  const process = await guest.spawn(guest.nodeProgram("test/vm/guest/stream.js", node), (line) => {
    if (line === "streaming") flowing = true;
    else if (line.startsWith("ended ")) statuses.push(...line.split(" ").slice(1));
  });
  await guest.waitFor("data to flow", () => flowing);
  return { ended: process.exit.then(() => statuses) };
}

/** Watches in the guest for the device to go; `goneMs` is the runner's time of that. */
async function watchForEnd(
  guest: Guest,
  { sysfsName }: Attachment,
): Promise<{ readonly goneMs: Promise<number> }> {
  let watching = false;
  let goneMs = Number.NaN;
  const script = `echo watching; while [ -e /sys/bus/usb/devices/${sysfsName} ]; do usleep 10000; done; echo gone`;
  const watcher = await guest.spawn(["sh", "-c", script], (line, atMs) => {
    if (line === "watching") watching = true;
    if (line === "gone") goneMs = atMs;
  });
  await guest.waitFor("the watcher to start", () => watching);
  return { goneMs: watcher.exit.then(() => goneMs) };
}

export const hostKilled: Scenario = {
  name: "the host is killed in mid-traffic: the guest is clean within a second",
  expected: [...ATTACH_LINES, ...LINK_LOST_LINES],
  async run(guest) {
    const serving = await ServeProcess.start("zero,serial=zero");
    try {
      const [attachment] = await attach(guest, serving.port, ["zero"]);
      const stream = await startStream(guest, attachment!);
      const { goneMs } = await watchForEnd(guest, attachment!);
      const killedMs = performance.now();
      await serving.kill();
      const cleanMs = (await goneMs) - killedMs;
      assert.deepEqual(
        (await stream.ended).filter((status) => !GONE.has(status)),
        [],
      );
      assert.deepEqual(await portsInUse(guest), []);
      console.log(`the guest was clean after ${Math.round(cleanMs)} ms`);
      assert.ok(cleanMs < CLEAN_MS, `the guest was clean after ${cleanMs} ms`);
    } finally {
      await serving.kill();
    }
  },
};

export const guestDetaches: Scenario = {
  name: "the guest detaches in mid-traffic: the host is clean within a second",
  expected: [...ATTACH_LINES, ...LINK_LOST_LINES],
  async run(guest) {
    const host = await ServedHost.start({ zero: "zero,serial=zero" });
    try {
      const [attachment] = await attach(guest, host.port, ["zero"]);
      const stream = await startStream(guest, attachment!);
      const detachedMs = performance.now();
      await detachAll(guest);
      await guest.waitFor("the session to end", () => host.endings.length > 0);
      const [ending] = host.endings;
      const cleanMs = ending!.atMs - detachedMs;
      console.log(`the host was clean after ${Math.round(cleanMs)} ms`);
      assert.equal(ending!.busid, "zero");
      assert.ok(cleanMs < CLEAN_MS, `the host was clean after ${cleanMs} ms`);
      assert.deepEqual(
        (await stream.ended).filter((status) => !GONE.has(status)),
        [],
      );

      await attach(guest, host.port, ["zero"]);
      await detachAll(guest);
    } finally {
      await host.stop();
    }
  },
};
