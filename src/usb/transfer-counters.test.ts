import assert from "node:assert/strict";
import { test } from "node:test";
import { latencyTicks } from "./latency-histogram.ts";
import { TransferCounters } from "./transfer-counters.ts";
import { TransferStatus } from "./urb.ts";

const { ok, stall, cancelled, invalid } = TransferStatus;
const NONE = { p50Us: 0, p99Us: 0, p999Us: 0 };

function us(tookUs: number): number {
  return latencyTicks(tookUs / 1_000);
}

test("a block is read by whoever has it", () => {
  const counters = TransferCounters.of([0x81, 0x02, 0x81]);
  for (let i = 0; i < 6; i++) counters.submitted();
  counters.ended(0x81, ok, 512, us(0));
  counters.ended(0x81, ok, 100, us(1));
  counters.ended(0x02, stall, 7, us(1_000));
  counters.ended(0x02, ok, 9, us(1e9));
  counters.refused(0x02, invalid);
  assert.deepEqual(new TransferCounters(counters.block).read(), {
    urbs: 5,
    inFlight: 1,
    bytesIn: 612,
    bytesOut: 16,
    errors: { stall: 1, invalid: 1 },
    latency: { p50Us: 1.0625, p99Us: 2 ** 27, p999Us: 2 ** 27 },
    endpoints: [
      {
        address: 0x02,
        urbs: 3,
        bytes: 16,
        errors: { stall: 1, invalid: 1 },
        latency: { p50Us: 1_024, p99Us: 2 ** 27, p999Us: 2 ** 27 },
        tookUs: 1_000 + 2 ** 27 - 1 / 16,
        histogram: Array.from({ length: 28 }, (_, n) => (n === 10 || n === 27 ? 1 : 0)),
      },
      {
        address: 0x81,
        urbs: 2,
        bytes: 612,
        errors: {},
        latency: { p50Us: 1 / 16, p99Us: 1.0625, p999Us: 1.0625 },
        tookUs: 1,
        histogram: [1, 1],
      },
    ],
  });
});

test("every status has its own place", () => {
  const counters = TransferCounters.of([0x8f]);
  for (const status of Object.values(TransferStatus)) counters.ended(0x8f, status, 0, us(5));
  const { errors, endpoints, urbs } = counters.read();
  assert.equal(urbs, Object.keys(TransferStatus).length);
  assert.deepEqual(
    Object.values(errors),
    Object.values(errors).map(() => 1),
  );
  assert.equal(Object.keys(errors).length, urbs - 1);
  assert.equal(endpoints[0]!.urbs, urbs);
  assert.equal(endpoints[0]!.address, 0x8f);
});

test("what a peer asks of endpoints that there are not counts, and makes no figures of its own", () => {
  const counters = TransferCounters.of([]);
  for (let address = 0; address < 256; address++) {
    counters.submitted();
    counters.refused(address, stall);
  }
  const { endpoints, urbs, inFlight, errors, latency } = counters.read();
  assert.deepEqual(
    endpoints.map(({ address }) => address),
    [0x00, 0x80],
  );
  assert.deepEqual([urbs, inFlight, errors, latency], [256, 0, { stall: 256 }, NONE]);
});

test("a look since an earlier one tells what happened between them, and what is in flight at its own time", () => {
  const counters = TransferCounters.of([0x81]);
  for (let i = 0; i < 10; i++) counters.submitted();
  for (let i = 0; i < 4; i++) counters.ended(0x81, ok, 8, us(500));
  const before = counters.look();
  for (let i = 0; i < 3; i++) counters.ended(0x81, cancelled, 1, us(20));
  const { urbs, inFlight, bytesIn, errors, endpoints } = counters.look().since(before).figures;
  assert.deepEqual([urbs, inFlight, bytesIn, errors], [3, 3, 3, { cancelled: 3 }]);
  assert.deepEqual(
    endpoints.map(({ latency, tookUs }) => [latency.p50Us, tookUs]),
    [[21, 60]],
  );
  assert.deepEqual(before.figures.urbs, 4, "a look stays as it was");
  assert.deepEqual(counters.look().since(counters.look()).figures.latency, NONE);
});
