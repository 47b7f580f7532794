import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualLoop } from "../../test/support/manual-loop.ts";
import { memoryPair } from "../links/memory.ts";
import { StallPatrol, StallWatch } from "./stall-watch.ts";

test("a peer that had nothing to take for long has all its time for what it is sent then", () => {
  const [link] = memoryPair(new ManualLoop());
  const watch = new StallWatch(link, 8_000, 0);
  watch.rested(60_000);
  watch.write([new Uint8Array(100)], () => {});
  assert.deepEqual(
    [60_250, 67_999, 68_000].map((nowMs) => watch.isStalled(nowMs)),
    [false, false, true],
  );
});

test("a host that takes nothing of what it is sent is found out by itself, and one that takes it is left alone", () => {
  for (const reads of [true, false]) {
    const loop = new ManualLoop();
    const [link, host] = memoryPair(loop);
    const found: string[] = [];
    const patrol = new StallPatrol(link, loop, ({ code }) => found.push(code));
    if (reads) {
      host.start(
        () => {},
        () => {},
      );
    }
    loop.advance(60_000);
    patrol.write([new Uint8Array(100)], () => {});
    loop.advance(9_900);
    assert.deepEqual(found, []);
    loop.advance(400);
    assert.deepEqual(found, reads ? [] : ["PEER_NOT_READING"]);
    patrol.end();
    loop.advance(60_000);
    assert.equal(found.length, reads ? 0 : 1);
  }
});
