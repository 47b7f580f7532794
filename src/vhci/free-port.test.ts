import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { untilLeft } from "./free-port.ts";
import { Vhci } from "./vhci.ts";

const folder = mkdtempSync(join(tmpdir(), "usbferry-port-"));
after(() => rmSync(folder, { recursive: true }));
const vhci = new Vhci(folder);
const OURS = "00ff0007";
const OTHERS = "00010002";

function show(state: string, devid: string): void {
  const head = "hub port sta spd dev      sockfd local_busid\n";
  writeFileSync(join(folder, "status"), `${head}hs  0000 ${state} 003 ${devid} 000003 1-1\n`);
}

/** Whether it is still waited for after a moment. */
async function isWaiting(waiting: Promise<void>): Promise<boolean> {
  return await Promise.race([
    waiting.then(() => false),
    new Promise<boolean>((resolve) => setTimeout(() => resolve(true), 100)),
  ]);
}

test("a port that a usbferry has let go of is waited for until the kernel has freed it", async () => {
  show("006", OURS);
  const waiting = untilLeft(vhci, 0);
  assert.equal(await isWaiting(waiting), true);
  show("004", "00000000");
  await waiting;
});

test("a port that somebody else has, or that is free, is not waited for", async () => {
  show("006", OTHERS);
  assert.equal(await isWaiting(untilLeft(vhci, 0)), false);
  show("004", "00000000");
  assert.equal(await isWaiting(untilLeft(vhci, 0)), false);
  assert.equal(await isWaiting(untilLeft(vhci, 9)), false);
});

test("a port that is never freed is waited for no longer than a second", async () => {
  show("006", OURS);
  const startMs = performance.now();
  await untilLeft(vhci, 0);
  assert(performance.now() - startMs >= 1_000);
});
