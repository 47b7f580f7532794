import assert from "node:assert/strict";
import { test } from "node:test";
import { TransferStatus } from "../usb/urb.ts";
import { CircuitBreaker, TripReason } from "./circuit-breaker.ts";

const { ok, stall, cancelled, disconnected, protocol, timeout, short } = TransferStatus;

const LIMITS = {
  hardwareErrors: 10,
  protocolErrors: 5,
  consecutiveErrors: 4,
  windowMs: 60_000,
  cooldownMs: 5_000,
  probes: 3,
};

function breaker(limits = LIMITS): { breaker: CircuitBreaker; told: string[] } {
  const told: string[] = [];
  const made = new CircuitBreaker(limits, {
    tripped: (reason, errors) => told.push(`tripped ${reason} ${errors}`),
    mended: () => told.push("mended"),
  });
  return { breaker: made, told };
}

test("a STALL, a short read, a cancel and an unplugged device are no errors", () => {
  const { breaker: closed, told } = breaker();
  for (let i = 0; i < 1000; i++) {
    for (const status of [stall, short, cancelled, disconnected]) {
      assert(closed.passes(i));
      closed.ended(status, i);
    }
  }
  assert.deepEqual([closed.state, told], ["closed", []]);
});

test("errors of the bus in a row open it", () => {
  const { breaker: broken, told } = breaker();
  for (let i = 0; i < 4; i++) broken.ended(protocol, i);
  assert.deepEqual(told, [`tripped ${TripReason.CONSECUTIVE} 4`]);
  assert.equal(broken.passes(5), false);
});

test("a transfer that ends well ends the row, and the window still counts", () => {
  const { breaker: broken, told } = breaker();
  for (let i = 0; i < 9; i++) {
    broken.ended(timeout, i);
    broken.ended(ok, i);
  }
  assert.equal(broken.state, "closed");
  broken.ended(timeout, 9);
  assert.deepEqual(told, [`tripped ${TripReason.HARDWARE} 10`]);
});

test("errors that are older than the window do not count", () => {
  const { breaker: broken } = breaker();
  for (let i = 0; i < 100; i++) {
    broken.ended(timeout, i * 7_000);
    broken.ended(ok, i * 7_000);
  }
  assert.equal(broken.state, "closed");
});

test("requests that make no sense open it", () => {
  const { breaker: broken, told } = breaker();
  for (let i = 0; i < 5; i++) broken.protocolError(i);
  assert.deepEqual(told, [`tripped ${TripReason.PROTOCOL} 5`]);
});

test("after the pause some pass, and it closes when they end well", () => {
  const { breaker: broken, told } = breaker();
  for (let i = 0; i < 4; i++) broken.ended(protocol, 0);
  assert.equal(broken.passes(4_999), false);
  assert.deepEqual(
    [5_000, 5_000, 5_000, 5_000].map((ms) => broken.passes(ms)),
    [true, true, true, false],
  );
  assert.equal(broken.state, "half open");
  for (let i = 0; i < 3; i++) broken.ended(ok, 5_001);
  assert.deepEqual([broken.state, told.at(-1)], ["closed", "mended"]);
});

test("an error of a probe opens it again, for a pause of its own", () => {
  const { breaker: broken, told } = breaker();
  for (let i = 0; i < 4; i++) broken.ended(protocol, 0);
  assert(broken.passes(6_000));
  broken.ended(protocol, 6_001);
  assert.equal(told.at(-1), `tripped ${TripReason.PROBE} 1`);
  assert.equal(broken.passes(11_000), false);
  assert.equal(broken.passes(11_001), true);
});

test("probes that are cancelled give their places to others", () => {
  const { breaker: broken } = breaker();
  for (let i = 0; i < 4; i++) broken.ended(protocol, 0);
  for (let i = 0; i < 100; i++) {
    assert(broken.passes(6_000 + i), `probe ${i}`);
    broken.ended(cancelled, 6_000 + i);
  }
  for (let i = 0; i < 3; i++) {
    assert(broken.passes(7_000));
    broken.ended(stall, 7_000);
  }
  assert.equal(broken.state, "closed");
});

test("what passed before it opened does not mend it", () => {
  const { breaker: broken } = breaker();
  for (let i = 0; i < 4; i++) broken.ended(protocol, 0);
  for (let i = 0; i < 10; i++) broken.ended(ok, 1);
  assert.equal(broken.state, "open");
  assert.equal(broken.passes(100), false);
});
