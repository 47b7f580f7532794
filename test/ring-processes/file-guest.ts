import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { failureKind } from "../../src/daemon/failure.ts";
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import { PciRemoteHost } from "../../src/daemon/ring/pci-remote-host.ts";
import { PciRing } from "../../src/daemon/ring/pci-ring.ts";
import { LINK_LIMITS } from "../../src/links/link.ts";
import { RingLink } from "../../src/links/ring-link.ts";
import { dialUnix } from "../../src/links/unix.ts";
import { Arena } from "../../src/linux/arena.ts";
import { LoopbackLoad } from "./loopback-load.ts";
import { tell } from "./side-message.ts";

/**
 * A guest in the memory of a file, woken over the socket beside it, which comes back whenever its host does: `node file-guest.js
 * MEMORY`. What a virtual machine sees as a BAR is mapped here as it is.
 */
const path = process.argv[2]!;
const BYTES = 8 << 20;
const loop = new LibuvLoop();
const AGAIN_MS = 5;
const ending = new AbortController();
let finish = (): void => {};
process.once("message", () => {
  ending.abort();
  finish();
});
process.once("disconnect", () => process.exit());

while (!ending.signal.aborted) {
  try {
    await play();
  } catch (error) {
    if (failureKind(error) === "defect") throw error;
    await sleep(AGAIN_MS);
  }
}

async function play(): Promise<void> {
  const bell = await dialUnix({ kind: "unix", path: `${path}.wake` }, LINK_LIMITS);
  const fd = openSync(path, "r+");
  const memory = Arena.of(fd, BYTES);
  closeSync(fd);
  assert(memory instanceof Arena);
  const ring = await PciRing.open(new RingLink("ring:pci:00:05.0", memory, bell), loop);
  const { remote, device } = await new PciRemoteHost(ring, loop).import("zero");
  await new Promise<void>((done) => {
    const load = new LoopbackLoad(device, loop, () => {
      tell({ what: "lost", report: load.report });
      done();
    });
    tell({ what: "session" });
    load.start();
    const timer = setInterval(() => tell({ what: "progress", messages: load.report.messages }), 2);
    finish = () =>
      load.end(() => {
        tell({ what: "ended", report: load.report, ...ring.inUse });
        remote.close({ code: "OK", reason: "it was asked to end" });
      });
    void remote.ended.then(() => {
      clearInterval(timer);
      done();
    });
  });
}
process.disconnect();
