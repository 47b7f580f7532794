import { setTimeout as sleep } from "node:timers/promises";
import { failureKind } from "../../src/daemon/failure.ts";
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import { RemoteHosts } from "../../src/daemon/remote-hosts.ts";
import type { RingRemote } from "../../src/daemon/ring/ring-remote.ts";
import { LoopbackLoad } from "./loopback-load.ts";
import { tell } from "./side-message.ts";

/** A guest of `usbferry serve --listen ring:PATH --gadget zero`, which comes back whenever the host does: `node served-guest.js PATH`. */
const place = { kind: "ring", path: process.argv[2]! } as const;
const loop = new LibuvLoop();
const hosts = new RemoteHosts(loop);
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
  const host = await hosts.open(place);
  const { remote, device } = await host.import("zero");
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
        const { slots, urbs } = (remote as RingRemote).inUse;
        tell({ what: "ended", report: load.report, slots, urbs });
        remote.close({ code: "OK", reason: "it was asked to end" });
      });
    void remote.ended.then(() => {
      clearInterval(timer);
      done();
    });
  });
}
process.disconnect();
