import assert from "node:assert/strict";
import { test } from "node:test";
import { latencyTicks } from "../../usb/latency-histogram.ts";
import { TransferCounters } from "../../usb/transfer-counters.ts";
import type { TransferFigures } from "../../usb/transfer-figures.ts";
import { TransferStatus } from "../../usb/urb.ts";
import { TransferLedger } from "./transfer-ledger.ts";

const { ok, stall } = TransferStatus;

function session(address: number, tookUs: number, status: TransferStatus = ok): TransferFigures {
  const counters = TransferCounters.of([address]);
  counters.ended(address, status, 8, latencyTicks(tookUs / 1_000));
  counters.refused(0x0f, stall);
  return counters.read();
}

test("sessions of a device add up, by endpoint", () => {
  const ledger = new TransferLedger();
  ledger.add("a", session(0x81, 3));
  ledger.add("a", session(0x81, 100, stall));
  ledger.add("b", session(0x02, 1));
  const { urbs, errors, endpoints } = ledger.with("a", session(0x02, 0));
  assert.deepEqual([urbs, errors], [6, { stall: 4 }]);
  assert.deepEqual(Array.from(endpoints), [
    [0x81, { urbs: 2, bytes: 16, errors: { stall: 1 }, tookUs: 103, histogram: [0, 0, 1, 0, 0, 0, 0, 1] }],
    [0x02, { urbs: 1, bytes: 8, errors: {}, tookUs: 0, histogram: [1] }],
  ]);
  assert.equal(ledger.devices.get("a")!.urbs, 4, "what goes on is not written down");
});

test("of more devices than are remembered the one that was used longest ago is forgotten", () => {
  const ledger = new TransferLedger();
  const figures = session(0x81, 1);
  for (let i = 0; i < 1_024; i++) ledger.add(`d${i}`, figures);
  ledger.add("d0", figures);
  ledger.add("one more", figures);
  assert.equal(ledger.devices.size, 1_024);
  assert.deepEqual([ledger.devices.has("d0"), ledger.devices.has("d1")], [true, false]);
});
