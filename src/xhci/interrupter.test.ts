import assert from "node:assert/strict";
import { test } from "node:test";
import { XhciDriver } from "../../test/support/xhci-driver.ts";
import { Zero } from "../gadgets/zero.ts";

const RUNTIME = 0x1000;
const IMAN = RUNTIME + 0x20;
const IMOD = IMAN + 4;
const ERDP = IMAN + 0x18;
const USBCMD = 0x40;
const NO_OP_COMMAND = 23 << 10;

/** A running controller whose last interrupt is long ago. */
function started(eventSegments: readonly number[] = [256]): XhciDriver {
  const driver = new XhciDriver({ eventSegments });
  driver.start();
  driver.loop.advance(10);
  return driver;
}

/** Lets the controller write so many events. */
function events(driver: XhciDriver, count: number): void {
  for (let i = 0; i < count; i++) driver.commands.push(0, 0, 0, NO_OP_COMMAND);
  driver.doorbell(0, 0);
  driver.loop.settle();
}

test("an event raises its interrupter's vector and sets EINT; no second interrupt comes before EHB is cleared", () => {
  const driver = started();
  events(driver, 1);
  assert.deepEqual(driver.raised, [0]);
  assert.equal(driver.usbsts & 8, 8, "EINT");
  assert.equal(driver.read(ERDP) & 8, 8, "EHB");
  assert.equal(driver.read(IMAN) & 1, 0, "a message leaves IP clear");
  driver.loop.advance(10);
  events(driver, 5);
  assert.deepEqual(driver.raised, [0]);
  assert.equal(driver.events().length, 6);
  assert.equal(driver.usbsts & 8, 0);
  driver.loop.advance(10);
  assert.deepEqual(driver.raised, [0], "everything was read: nothing to tell");
  events(driver, 1);
  assert.deepEqual(driver.raised, [0, 0]);
});

test("events that are left unread when EHB is cleared raise the vector again", () => {
  const driver = started();
  events(driver, 2);
  const [first] = driver.peekEvents();
  assert.equal(first!.code, 1);
  driver.loop.advance(10);
  const second = driver.eventPointer - 16;
  driver.write64(ERDP, second + 8);
  assert.deepEqual(driver.raised, [0, 0]);
  assert.equal(driver.read(ERDP) & 8, 8);
});

test("an ERDP in the midst of a batch, without EHB, raises nothing", () => {
  const driver = started();
  events(driver, 3);
  driver.loop.advance(10);
  driver.peekEvents();
  driver.write64(ERDP, driver.eventPointer - 16);
  assert.deepEqual(driver.raised, [0]);
});

test("IE and INTE hold an interrupt back, which comes when both are set", () => {
  const driver = started();
  driver.write(IMAN, 0);
  events(driver, 1);
  assert.deepEqual(driver.raised, []);
  assert.equal(driver.read(IMAN) & 1, 1, "IP");
  driver.write(USBCMD, 1);
  driver.write(IMAN, 2);
  assert.deepEqual(driver.raised, []);
  driver.write(USBCMD, 1 | 4);
  assert.deepEqual(driver.raised, [0]);
});

test("IP is cleared by a 1", () => {
  const driver = started();
  driver.write(IMAN, 0);
  events(driver, 1);
  driver.write(IMAN, 1);
  assert.equal(driver.read(IMAN), 0);
  driver.write(IMAN, 2);
  assert.deepEqual(driver.raised, []);
});

test("interrupts keep the distance that IMOD asks for", () => {
  const driver = started();
  driver.write(IMOD, 20_000); // 5 ms
  events(driver, 1);
  driver.events();
  events(driver, 1);
  driver.loop.advance(4.9);
  assert.deepEqual(driver.raised, [0]);
  driver.loop.advance(0.2);
  assert.deepEqual(driver.raised, [0, 0]);
  driver.events();
  driver.loop.advance(50);
  events(driver, 1);
  assert.deepEqual(driver.raised, [0, 0, 0], "at once, when the last one is long ago");
  assert.equal(driver.loop.timers, 0);
});

test("a short distance is kept too", () => {
  const driver = started();
  driver.write(IMOD, 160); // 40 µs
  events(driver, 1);
  driver.events();
  events(driver, 1);
  assert.deepEqual(driver.raised, [0]);
  driver.loop.advance(0.05);
  assert.deepEqual(driver.raised, [0, 0]);
});

test("an event ring goes on through its segments and comes round", () => {
  const driver = started([16, 32, 20]);
  for (let round = 0; round < 30; round++) {
    events(driver, 7);
    const seen = driver.events();
    assert.deepEqual(
      seen.map(({ type, code }) => ({ type, code })),
      Array.from({ length: 7 }, () => ({ type: 33, code: 1 })),
    );
  }
});

test("the last but one place of a full ring says so, and what follows waits for room", () => {
  const driver = started([16]);
  events(driver, 40);
  const full = driver.peekEvents();
  assert.equal(full.length, 15);
  assert.deepEqual(
    full.slice(13).map(({ type, code }) => ({ type, code })),
    [
      { type: 33, code: 1 },
      { type: 37, code: 21 },
    ],
  );
  let commands = full.length - 1;
  for (let round = 0; round < 10; round++) {
    driver.acknowledge();
    driver.loop.advance(1);
    commands += driver.peekEvents().filter(({ type }) => type === 33).length;
  }
  assert.equal(commands, 40, "every command is completed once");
  assert.equal(driver.usbsts & 0x1004, 0);
});

test("a full ring stops the walk: no more is begun than can be told", () => {
  const driver = started([16]);
  events(driver, 200);
  assert.equal(driver.peekEvents().length, 15);
  const pending = driver.load(driver.commands.base + 16 * 60 + 12);
  assert.equal((pending >>> 10) & 63, 23);
  driver.acknowledge();
  driver.loop.advance(1);
  assert.ok(driver.peekEvents().length <= 15);
});

test("an interrupter without an event ring drops its events", () => {
  const driver = started();
  driver.write(IMAN + 8, 0);
  events(driver, 3);
  assert.deepEqual(driver.raised, []);
  assert.equal(driver.usbsts & 0x1004, 0);
});

for (const [what, spoil] of [
  ["outside of memory", (driver: XhciDriver) => driver.write64(IMAN + 0x10, 0x7f_0000_0000)],
  ["with a segment that is too small", (driver: XhciDriver) => shrink(driver)],
] as const) {
  test(`an event ring table ${what} halts the controller when there is an event`, () => {
    const driver = started();
    spoil(driver);
    assert.equal(driver.usbsts & 4, 0);
    events(driver, 1);
    assert.equal(driver.usbsts & 5, 5, "HSE and HCH");
    driver.start();
    events(driver, 1);
    assert.equal(driver.events().length, 1);
  });
}

function shrink(driver: XhciDriver): void {
  const table = driver.allocate(16, 64);
  driver.storeAddress(table, driver.allocate(4096, 4096));
  driver.store(table + 8, [15, 0]);
  driver.write64(IMAN + 0x10, table);
}

test("registers of an interrupter read as they were written, the table address and its size each for itself", () => {
  const driver = started();
  const at = RUNTIME + 0x20 + 0x20 * 2;
  driver.write(at + 8, 3);
  driver.write64(at + 0x18, 0x12_3456_7890);
  driver.write64(at + 0x10, 0x12_3456_7880);
  assert.equal(driver.read(at + 8), 3);
  assert.equal(driver.read(at + 0x10), 0x3456_7880);
  assert.equal(driver.read(at + 0x14), 0x12);
  assert.equal(driver.read(at + 0x18), 0x3456_7890);
  assert.equal(driver.read(at + 0x1c), 0x12);
});

test("MFINDEX counts microframes of real time while the controller runs", () => {
  const driver = started();
  const from = driver.read(RUNTIME);
  driver.loop.advance(10);
  assert.equal((driver.read(RUNTIME) - from) & 0x3fff, 80);
  driver.loop.advance(2048);
  assert.equal((driver.read(RUNTIME) - from) & 0x3fff, 80);
  driver.write(USBCMD, 0);
  const stopped = driver.read(RUNTIME);
  driver.loop.advance(10);
  assert.equal(driver.read(RUNTIME), stopped);
});

test("wraps of MFINDEX are told of while EWE is set", () => {
  const driver = started();
  driver.write(USBCMD, 1 | 4 | (1 << 10));
  driver.loop.advance(2048 * 3);
  assert.deepEqual(
    driver.events().map(({ type, code }) => ({ type, code })),
    [
      { type: 39, code: 1 },
      { type: 39, code: 1 },
      { type: 39, code: 1 },
    ],
  );
  driver.write(USBCMD, 1 | 4);
  assert.equal(driver.loop.timers, 0);
});

test("a TRB has its event in the ring of its own interrupter, whose own vector is raised", () => {
  const driver = new XhciDriver();
  driver.plug(new Zero());
  driver.start();
  const slot = driver.setUp(1, 3);
  driver.loop.advance(10);
  driver.raised.length = 0;
  const second = RUNTIME + 0x20 + 0x20 * 2;
  const [ring, table] = [driver.allocate(16 * 16, 4096), driver.allocate(16, 64)];
  driver.storeAddress(table, ring);
  driver.store(table + 8, [16, 0]);
  driver.write(second + 8, 1);
  driver.write64(second + 0x18, ring);
  driver.write64(second + 0x10, table);
  driver.write(second, 2);
  const at = slot.rings.get(3)!.pushAt(driver.allocate(64), (2 << 22) | 64, (1 << 10) | 0x24);
  driver.doorbell(slot.id, 3);
  driver.loop.settle();
  assert.deepEqual(driver.raised, [2]);
  assert.equal(driver.loadAddress(ring), at);
  assert.equal(driver.read(second + 0x18) & 8, 8, "EHB");
  assert.equal(driver.read(ERDP) & 8, 0);
  assert.deepEqual(driver.peekEvents(), []);
});

test("a TRB of an interrupter that is not there, or has no ring, has no event", () => {
  const driver = new XhciDriver();
  driver.plug(new Zero());
  driver.start();
  const slot = driver.setUp(1, 3);
  for (const target of [1, 4, 1023]) {
    slot.rings.get(3)!.pushAt(driver.allocate(64), (target << 22) | 64, (1 << 10) | 0x24);
    driver.doorbell(slot.id, 3);
    assert.deepEqual(driver.events(), []);
  }
  assert.equal(driver.usbsts & 0x1005, 0);
});

test("an event that asks for no interrupt waits for one that does", () => {
  const driver = new XhciDriver();
  driver.plug(new Zero());
  driver.start();
  const slot = driver.setUp(1, 3);
  driver.loop.advance(10);
  driver.raised.length = 0;
  const ring = slot.rings.get(3)!;
  ring.pushAt(driver.allocate(64), 64, (1 << 10) | 0x224);
  driver.doorbell(slot.id, 3);
  driver.loop.advance(10);
  assert.deepEqual(driver.raised, []);
  assert.equal(driver.read(ERDP) & 8, 0);
  ring.pushAt(driver.allocate(64), 64, (1 << 10) | 0x24);
  driver.doorbell(slot.id, 3);
  driver.loop.settle();
  assert.deepEqual(driver.raised, [0]);
  assert.equal(driver.events().length, 2);
});
