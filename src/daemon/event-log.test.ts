import assert from "node:assert/strict";
import { test } from "node:test";
import { API_LIMITS } from "./api/api-limits.ts";
import type { DeviceEvent } from "./device-event.ts";
import { EventLog } from "./event-log.ts";

const sequences = (events: readonly DeviceEvent[]) => events.map(({ sequence }) => sequence);

test("numbers its events without a gap and tells each subscriber", () => {
  const log = new EventLog(10);
  const seen: DeviceEvent[] = [];
  const end = log.subscribe((event) => void seen.push(event));
  log.publish("added", { device: { busid: "zero" } });
  log.publish("removed", { device: { busid: "zero" } });
  end();
  log.publish("added", { device: { busid: "zero" } });
  assert.deepEqual(sequences(seen), [11, 12]);
  assert.deepEqual([seen[0]!.kind, seen[0]!.device], ["added", { busid: "zero" }]);
  assert.equal(log.last, 13);
});

test("keeps the last events, and gives those behind a number", () => {
  const log = new EventLog(0);
  for (let i = 0; i < 300; i++) log.publish("error", {});
  assert.deepEqual(sequences(log.after(298)), [299, 300]);
  assert.deepEqual(sequences(log.after(300)), []);
  assert.deepEqual([log.after(0).length, log.after(0)[0]!.sequence], [256, 45]);
  assert.equal(log.after(5_000).length, 256, "a number of another run");
});

test("all that is kept fits into the backlog of a reader, whatever peers have made of it", () => {
  const log = new EventLog();
  for (const text of ["\u0000", "\u{1f9a6}", "漢", '"', "\n"]) {
    const busid = text.repeat(31).slice(0, 31);
    for (let i = 0; i < 256; i++) {
      const facts = {
        peer: "tcp:[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
        session: "s123456789",
        code: "DEVICE_FAILED",
      };
      log.publish("refused", { device: { busid }, ...facts, reason: text.repeat(1_000) });
    }
    const bytes = log.after(0).reduce((sum, event) => sum + Buffer.byteLength(JSON.stringify(event)) + 60, 0);
    assert(bytes < API_LIMITS.streamBytes, `${bytes} bytes of ${JSON.stringify(text)}`);
  }
});
