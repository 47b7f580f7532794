import assert from "node:assert/strict";
import { test } from "node:test";
import { TransferCounters } from "./transfer-counters.ts";
import { TransferStatus } from "./urb.ts";

test("a block is read by whoever has it", () => {
  const counters = new TransferCounters();
  for (let i = 0; i < 5; i++) counters.submitted();
  counters.ended(0x81, TransferStatus.ok, 512, 0);
  counters.ended(0x81, TransferStatus.ok, 100, 1);
  counters.ended(0x02, TransferStatus.stall, 7, 1_000);
  counters.ended(0x02, TransferStatus.ok, 9, 100_000_000);
  assert.deepEqual(new TransferCounters(counters.block).read(), {
    urbs: 4,
    inFlight: 1,
    bytesIn: 612,
    bytesOut: 16,
    errors: { stall: 1 },
    endpoints: [
      {
        address: 0x02,
        urbs: 2,
        latency: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
      },
      { address: 0x81, urbs: 2, latency: [1, 1] },
    ],
  });
});

test("every status has its own place", () => {
  const counters = new TransferCounters();
  for (const status of Object.values(TransferStatus)) counters.ended(0x8f, status, 0, 5);
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
