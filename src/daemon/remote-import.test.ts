import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualLoop } from "../../test/support/manual-loop.ts";
import { RECORD } from "../../test/support/usbip-wire-server.ts";
import { memoryPair } from "../links/memory.ts";
import { encodeAliveAnswer, encodeAliveQuestion } from "../usbip/alive-mark.ts";
import { RemoteImport } from "./remote-import.ts";

const DEVID = 0x00010002;

test("a host behind a link that would not notice its silence is asked, and lost when it is silent", async () => {
  const loop = new ManualLoop();
  const [link, there] = memoryPair(loop);
  const asked: Buffer[] = [];
  let isAnswered = true;
  there.start(
    (bytes) => {
      asked.push(Buffer.from(bytes));
      if (isAnswered) there.write([encodeAliveAnswer(asked.length)], () => {});
    },
    () => {},
  );
  const remote = new RemoteImport(RECORD, link, loop);
  link.start(
    (bytes) => remote.receive(bytes),
    (cause) => remote.gone(cause),
  );
  loop.advance(30_000);
  assert.equal(asked.length, 6);
  assert.deepEqual(asked[5], Buffer.from(encodeAliveQuestion(6, DEVID)));
  isAnswered = false;
  loop.advance(15_000);
  assert.deepEqual(await remote.ended, { code: "PEER_SILENT", reason: "nothing came for 7.5 s" });
  assert.equal(loop.timers, 0);
});

test("a host behind a link that notices silence by itself is not asked", () => {
  const loop = new ManualLoop();
  const [carrier, there] = memoryPair(loop);
  let received = 0;
  there.start(
    (bytes) => {
      received += bytes.length;
    },
    () => {},
  );
  const link = Object.assign(carrier, { noticesSilence: true });
  const remote = new RemoteImport(RECORD, link, loop);
  link.start(
    () => {},
    (cause) => remote.gone(cause),
  );
  loop.advance(60_000);
  assert.equal(received, 0);
  link.destroy();
  loop.settle();
  assert.equal(loop.timers, 0);
});
