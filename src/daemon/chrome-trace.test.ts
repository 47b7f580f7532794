import assert from "node:assert/strict";
import { test } from "node:test";
import { chromeTrace } from "./chrome-trace.ts";

test("a URB is a span with the device's and the link's share in it", () => {
  const urb = { session: 3, seqnum: 7, endpoint: 0x81, status: 1, actualLength: 512 };
  const text = chromeTrace([{ ...urb, arrivedMs: 1.5, completedMs: 2.25, leftMs: 4 }]);
  const { traceEvents } = JSON.parse(text) as { traceEvents: { name: string; ph: string; ts: number }[] };
  assert.deepEqual(
    traceEvents.map(({ name, ph, ts }) => [name, ph, ts]),
    [
      ["IN 0x81", "b", 1500],
      ["device", "b", 1500],
      ["device", "e", 2250],
      ["link", "b", 2250],
      ["link", "e", 4000],
      ["IN 0x81", "e", 4000],
    ],
  );
  assert.deepEqual(traceEvents[0], {
    name: "IN 0x81",
    cat: "urb",
    ph: "b",
    id: "3.7",
    pid: 3,
    tid: 0,
    ts: 1500,
    args: { seqnum: 7, status: "stall", bytes: 512 },
  });
});

test("no URBs are a trace too", () => {
  assert.deepEqual(JSON.parse(chromeTrace([])), { displayTimeUnit: "ns", traceEvents: [] });
});
