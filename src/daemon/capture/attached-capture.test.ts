import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { KernelInFolder } from "../../../test/support/kernel-in-folder.ts";
import { isTraffic } from "../../capture/block-reader.ts";
import { LARGEST_PACKET } from "../../capture/pcapng.ts";
import { ALL_ENDPOINTS } from "../../capture/recorder.ts";
import { Keyboard } from "../../gadgets/keyboard.ts";
import { Agent } from "../agent.ts";
import { EventLog } from "../event-log.ts";
import { ExportTable } from "../export-table.ts";
import { Host } from "../host.ts";
import { LibuvLoop } from "../libuv-loop.ts";
import { PassingState } from "../state/open-wishes.ts";
import { WISHES, type WishesState, WishList } from "../state/wishes.ts";
import { LiveCapture } from "./live-capture.ts";

test("what an agent has attached can be recorded at its port, until it is detached", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "usbferry-attached-"));
  const loop = new LibuvLoop();
  const log = { info() {}, warn() {} };
  const exports = new ExportTable();
  exports.add("keyboard", new Keyboard());
  const host = new Host(exports, loop, log);
  const path = join(folder, "host.sock");
  await host.listen([{ kind: "unix", path }]);
  const wishes = new WishList(new PassingState<WishesState>(WISHES.empty));
  const agent = new Agent(
    new KernelInFolder(folder, { hs: 1, ss: 1 }).vhci,
    loop,
    log,
    new EventLog(),
    wishes,
  );
  t.after(async () => {
    agent.endWaiting();
    await agent.stop();
    await host.stop();
    rmSync(folder, { recursive: true });
  });
  assert.equal(agent.captureSubject(0), undefined);
  const { port } = await agent.attach(`unix:${path}`, "keyboard", new AbortController().signal);
  const subject = agent.captureSubject(port)!;
  assert.equal(subject.busid, "keyboard");
  const capture = new LiveCapture(subject, { snaplen: LARGEST_PACKET, endpoints: ALL_ENDPOINTS });
  assert.equal(capture.head.length, 2 + 4, "section, interface, and two requests for descriptors");
  assert(!capture.head.some(isTraffic));
  assert.equal(capture.isOver, false);
  await agent.detach(port);
  assert.equal(capture.isOver, true);
  assert.equal(agent.captureSubject(port), undefined);
  capture.stop();
});
