import assert from "node:assert/strict";
import { test } from "node:test";
import { type DriverSlot, XhciDriver } from "../../test/support/xhci-driver.ts";
import { Zero } from "../gadgets/zero.ts";
import { Speed } from "../usb/speed.ts";

const USBCMD = 0x40;
const CRCR = 0x40 + 0x18;

function started(): XhciDriver {
  const driver = new XhciDriver();
  driver.plug(new Zero());
  driver.start();
  driver.events();
  return driver;
}

function codeOf(driver: XhciDriver, type: number, slot = 0, dci = 0): number {
  return driver.command(0, 0, 0, (type << 10) | (slot << 24) | (dci << 16)).code;
}

test("a command that does nothing is completed", () => {
  assert.equal(codeOf(started(), 23), 1);
});

test("commands of a slot that is not there, and commands that are none", () => {
  const driver = started();
  for (const type of [10, 11, 12, 13, 14, 15, 16, 17]) assert.equal(codeOf(driver, type, 1), 11);
  for (const type of [0, 1, 8, 18, 19, 20, 22, 24, 25, 63]) assert.equal(codeOf(driver, type, 1), 5);
});

test("slots are given from the lowest on, as many as the driver has enabled", () => {
  const driver = started();
  driver.write(0x40 + 0x38, 3);
  assert.deepEqual(
    [1, 2, 3, 4].map(() => {
      const { code, slot } = driver.command(0, 0, 0, 9 << 10);
      return [code, slot];
    }),
    [
      [1, 1],
      [1, 2],
      [1, 3],
      [9, 0],
    ],
  );
  assert.equal(codeOf(driver, 10, 2), 1);
  assert.equal(driver.command(0, 0, 0, 9 << 10).slot, 2);
  assert.equal(codeOf(driver, 10, 2), 1);
  assert.equal(codeOf(driver, 10, 2), 11);
});

test("Address Device shows the slot's state, an address and a running control endpoint", () => {
  const driver = started();
  driver.resetPort(1);
  const slot = driver.enableSlot(1);
  assert.equal(driver.addressDevice(slot, true).code, 1);
  assert.equal(driver.load(slot.context + 12), 1 << 27);
  assert.equal(driver.addressDevice(slot, true).code, 19, "BSR in the default state");
  assert.equal(driver.addressDevice(slot, false).code, 1);
  assert.equal(driver.load(slot.context + 12), (2 << 27) | slot.id);
  assert.equal(driver.load(slot.context) >>> 27, 1, "Context Entries");
  assert.equal(driver.endpointContext(slot, 1).state, 1);
  assert.equal(driver.addressDevice(slot, false).code, 19);
});

test("Address Device refuses what cannot be", () => {
  const driver = started();
  const slot = driver.enableSlot(1);
  assert.equal(driver.addressDevice({ ...slot, port: 2 }, false).code, 4, "an empty port");
  assert.equal(driver.addressDevice({ ...slot, port: 0 }, false).code, 17);
  assert.equal(driver.addressDevice({ ...slot, port: 17 }, false).code, 17);
  assert.equal(driver.commandAt(0x7f_0000_0000, (11 << 10) | (slot.id << 24)).code, 17);
  const empty = driver.allocate(2048, 4096);
  assert.equal(driver.commandAt(empty, (11 << 10) | (slot.id << 24)).code, 17, "no add flags");
  assert.equal(driver.usbsts & 0x1004, 0);
});

test("endpoints that are added run, and those that are dropped are disabled", () => {
  const driver = started();
  const slot = driver.setUp(1, 3);
  assert.deepEqual(
    [2, 3].map((dci) => driver.endpointContext(slot, dci).state),
    [1, 1],
  );
  assert.equal(driver.load(slot.context) >>> 27, 3);
  assert.equal(driver.commandAt(dropping(driver, 0b1100), (12 << 10) | (slot.id << 24)).code, 1);
  assert.deepEqual(
    [2, 3].map((dci) => driver.endpointContext(slot, dci).state),
    [0, 0],
  );
  assert.equal(driver.slotState(slot), 2);
  assert.equal(codeOf(driver, 15, slot.id, 3), 12);
  assert.equal(driver.configure(slot).code, 1);
  assert.equal(driver.slotState(slot), 3);
});

function dropping(driver: XhciDriver, flags: number): number {
  const input = driver.allocate(33 * 32, 4096);
  driver.store(input, [flags, 1]);
  return input;
}

test("Configure Endpoint changes nothing if one of the endpoints cannot be", () => {
  const driver = started();
  const slot = driver.setUp(1, 3);
  const input = driver.allocate(33 * 32, 4096);
  const words: [string, number, number, number][] = [
    ["an IN type at an OUT place", 0b10000, 4, (6 << 3) | (512 << 16)],
    ["a type that is none", 0b10000, 4, 512 << 16],
    ["streams", 0b10000, 4, (2 << 3) | (512 << 16)],
    ["a second control endpoint", 0b10000, 4, (4 << 3) | (64 << 16)],
  ];
  for (const [what, add, dci, second] of words) {
    driver.store(input, [0b1100, add | 1]);
    driver.store(input + 32 * (dci + 1), [what === "streams" ? 1 << 10 : 0, second, 1, 0]);
    assert.equal(driver.commandAt(input, (12 << 10) | (slot.id << 24)).code, 17, what);
    assert.equal(driver.endpointContext(slot, 2).state, 1);
  }
  driver.store(input, [1, 1]);
  assert.equal(driver.commandAt(input, (12 << 10) | (slot.id << 24)).code, 17, "the slot itself dropped");
});

test("Deconfigure leaves an addressed slot", () => {
  const driver = started();
  const slot = driver.setUp(1, 3);
  assert.equal(driver.command(0, 0, 0, (12 << 10) | (1 << 9) | (slot.id << 24)).code, 1);
  assert.equal(driver.slotState(slot), 2);
  assert.equal(driver.endpointContext(slot, 3).state, 0);
  assert.equal(driver.load(slot.context) >>> 27, 1);
});

test("Evaluate Context takes the packet size of the control endpoint and the latency of the slot over", () => {
  const driver = started();
  const slot = driver.enumerate(1);
  const input = driver.allocate(33 * 32, 4096);
  driver.store(input, [0, 3]);
  driver.store(input + 32, [0, 0xffff_1234, 7 << 22]);
  driver.store(input + 64, [0xffff_ffff, (8 << 16) | 0xffff]);
  const before = driver.load(slot.context + 36);
  assert.equal(driver.commandAt(input, (13 << 10) | (slot.id << 24)).code, 1);
  assert.equal(driver.load(slot.context + 36), ((before & 0xffff) | (8 << 16)) >>> 0);
  assert.equal(driver.load(slot.context + 4), (1 << 16) | 0x1234);
  assert.equal(driver.load(slot.context + 8), (7 << 22) >>> 0);
  assert.equal(driver.endpointContext(slot, 1).state, 1);
});

test("each command of an endpoint has the states that it is for", () => {
  const driver = started();
  const slot = driver.setUp(1, 3);
  const { id } = slot;
  assert.equal(codeOf(driver, 14, id, 3), 19, "Reset Endpoint while it runs");
  assert.equal(driver.setDequeue(slot, 3, driver.allocate(4096, 4096), 1).code, 19);
  assert.equal(codeOf(driver, 15, id, 3), 1);
  assert.equal(codeOf(driver, 15, id, 3), 19, "Stop Endpoint twice");
  assert.equal(codeOf(driver, 14, id, 3), 19);
  for (const type of [14, 15, 16]) assert.equal(codeOf(driver, type, id, 9), 12);
});

test("Get Port Bandwidth tells of every port", () => {
  const driver = started();
  const context = driver.allocate(32);
  assert.equal(driver.commandAt(context, 21 << 10).code, 1);
  assert.deepEqual([...driver.data(context, 18)], [0, ...Array.from({ length: 16 }, () => 90), 0]);
  assert.equal(driver.commandAt(0x7f_0000_0000, 21 << 10).code, 17);
});

test("the ring stops behind the present command when it is told to, and goes on at the next doorbell", () => {
  const driver = started();
  assert.equal(codeOf(driver, 23), 1);
  assert.equal(driver.read(CRCR), 8);
  const next = driver.commands.enqueue;
  driver.write(CRCR, 2);
  assert.equal(driver.read(CRCR), 0);
  assert.deepEqual(
    driver.events().map(({ type, code, pointer }) => ({ type, code, pointer })),
    [{ type: 33, code: 24, pointer: next }],
  );
  assert.equal(codeOf(driver, 23), 1);
});

test("a ring that stands goes where CRCR says", () => {
  const driver = started();
  driver.write(CRCR, 4);
  driver.events();
  driver.commands.cycle = 0;
  for (let i = 0; i < 4; i++) driver.commands.push(0, 0, 0, 23 << 10);
  driver.write64(CRCR, driver.commands.base);
  driver.doorbell(0, 0);
  assert.equal(driver.events()[0]!.pointer, driver.commands.base);
});

test("a command ring outside of memory, or without an end, halts the controller", () => {
  const lost = started();
  lost.write(CRCR, 4);
  lost.write64(CRCR, 0x7f_0000_0001);
  lost.doorbell(0, 0);
  lost.loop.settle();
  assert.equal(lost.usbsts & 5, 5, "HSE");
  const endless = started();
  const at = endless.allocate(4096, 4096);
  endless.store(at, [0, 0, 0, (8 << 10) | 1]);
  endless.store(at + 16, [at >>> 0, Math.floor(at / 2 ** 32), 0, (6 << 10) | 1]);
  endless.write(CRCR, 4);
  endless.write64(CRCR, at + 1);
  endless.write(0x1000 + 0x28, 0);
  endless.doorbell(0, 0);
  endless.loop.settle();
  assert.equal(endless.usbsts & 0x1001, 0x1001, "HCE");
});

test("a device context array outside of memory halts the controller", () => {
  const driver = started();
  driver.write64(0x40 + 0x30, 0x7f_0000_0000);
  const slot: DriverSlot = { ...driver.enableSlot(1) };
  const input = driver.allocate(33 * 32, 4096);
  driver.store(input, [0, 3]);
  driver.store(input + 32, [(1 << 27) | (3 << 20), 1 << 16]);
  driver.store(input + 64, [0, 4 << 3]);
  driver.commands.pushAt(input, 0, (11 << 10) | (slot.id << 24));
  driver.doorbell(0, 0);
  driver.loop.settle();
  assert.equal(driver.usbsts & 5, 5);
  driver.start();
  assert.equal(codeOf(driver, 23), 1);
});

test("state that was saved is there again, and after a reset the driver is told to begin anew", () => {
  const driver = started();
  const slot = driver.setUp(1, 3);
  driver.write(USBCMD, 0);
  driver.write(USBCMD, 1 << 8);
  assert.equal(driver.usbsts & 0x700, 0, "SSS, RSS and SRE");
  driver.restoreEvents();
  driver.write(USBCMD, 1 << 9);
  assert.equal(driver.usbsts & 0x700, 0);
  driver.write(USBCMD, 1 | 4);
  assert.equal(codeOf(driver, 23), 1);
  assert.equal(driver.control(slot, [0x80, 0, 0, 0, 0, 0, 2, 0]).code, 1);

  driver.write(USBCMD, 0);
  driver.write(USBCMD, 1 << 8);
  driver.controller.reset();
  driver.write(USBCMD, 1 << 9);
  assert.equal(driver.usbsts & 0x400, 0x400, "SRE");
  driver.write(0x44, 0x400);
  assert.equal(driver.usbsts & 0x400, 0);
});

test("what ends while the controller is halted is told of when it runs again", () => {
  const driver = new XhciDriver();
  driver.plug(new Zero({ speed: Speed.super }));
  driver.start();
  driver.events();
  const slot = driver.setUp(9, 3);
  const at = slot.rings.get(3)!.pushAt(driver.allocate(64), 64, (1 << 10) | 0x24);
  driver.doorbell(slot.id, 3);
  driver.loop.turn();
  driver.write(USBCMD, 0);
  assert.equal(driver.usbsts & 1, 1);
  driver.loop.advance(10);
  driver.write(USBCMD, 1 | 4);
  assert.deepEqual(
    driver
      .events()
      .filter(({ type }) => type === 32)
      .map(({ pointer }) => pointer),
    [at],
  );
});
