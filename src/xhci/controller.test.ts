import assert from "node:assert/strict";
import { test } from "node:test";
import { dciOf, XhciDriver } from "../../test/support/xhci-driver.ts";
import { Disk } from "../gadgets/disk.ts";
import { Keyboard } from "../gadgets/keyboard.ts";
import { MemoryStore } from "../gadgets/memory-store.ts";
import { Zero } from "../gadgets/zero.ts";
import { Speed } from "../usb/speed.ts";
import { isIn } from "../usb/urb.ts";

test("a driver finds eight ports of each kind and one list of capabilities that ends", () => {
  const driver = new XhciDriver();
  assert.equal(driver.read(0), 0x0100_0040);
  assert.equal(driver.read(4), 0x1000_0440);
  const first = (driver.read(0x10) >>> 16) * 4;
  assert.equal(driver.read(first + 4), 0x2042_5355);
  assert.equal(driver.read(first) >>> 24, 2);
  assert.equal(driver.read(first + 8), 0x0801);
  const second = first + ((driver.read(first) >> 8) & 0xff) * 4;
  assert.equal(driver.read(second), 0x0300_0002);
  assert.equal(driver.read(second + 8), 0x0809);
});

test("a register is read in any size", () => {
  const { controller } = new XhciDriver();
  assert.equal(controller.read(0, 1), 0x40);
  assert.equal(controller.read(2, 2), 0x0100);
  assert.equal(controller.read(3, 1), 0x01);
});

for (const [name, speed, port] of [
  ["full", Speed.full, 1],
  ["high", Speed.high, 1],
  ["super", Speed.super, 9],
] as const) {
  test(`a driver enumerates gadget zero at ${name} speed and moves bulk data`, () => {
    const driver = new XhciDriver();
    assert.equal(driver.plug(new Zero({ speed, pattern: 63 })), port);
    driver.start();
    const [event] = driver.events();
    assert.equal(event!.type, 34);
    assert.equal(event!.pointer, port << 24);
    const slot = driver.setUp(port, 3);
    assert.equal(driver.slotState(slot), 3);
    const buffer = driver.allocate(5000);
    const ring = slot.rings.get(3)!;
    const at = ring.pushAt(buffer, 5000, (1 << 10) | 0x24);
    driver.doorbell(slot.id, 3);
    assert.deepEqual(
      driver.events().map(({ type, code, length, pointer }) => ({ type, code, length, pointer })),
      [{ type: 32, code: 1, length: 0, pointer: at }],
    );
    const packet = slot.map.find(0x81)!.maxPacketSize;
    assert.deepEqual(
      driver.data(buffer, 5000),
      Uint8Array.from({ length: 5000 }, (_, i) => (i % packet) % 63),
    );
  });
}

test("keys come through an interrupt endpoint as they are pressed", () => {
  const driver = new XhciDriver();
  const keyboard = new Keyboard();
  driver.plug(keyboard);
  driver.start();
  const slot = driver.setUp(1, 1);
  const ring = slot.rings.get(3)!;
  const buffer = driver.allocate(8);
  ring.pushAt(buffer, 8, (1 << 10) | 0x24);
  driver.doorbell(slot.id, 3);
  assert.deepEqual(driver.events(), []);
  keyboard.press(4);
  driver.loop.advance(10);
  assert.equal(driver.events()[0]!.code, 1);
  assert.deepEqual([...driver.data(buffer, 8)], [0, 0, 4, 0, 0, 0, 0, 0]);
});

test("a disk answers an INQUIRY of bulk-only storage, asked for in one go", () => {
  const driver = new XhciDriver();
  driver.plug(new Disk({ store: new MemoryStore(1 << 20), speed: Speed.super }));
  driver.start();
  const slot = driver.setUp(9, 1);
  const endpoints = slot.map.all().map(({ address }) => address);
  const out = dciOf(endpoints.find((address) => !isIn(address))!);
  const into = dciOf(endpoints.find((address) => isIn(address))!);
  const command = driver.allocate(31);
  const inquiry = "555342437856341224000000800006120000002400";
  driver.data(command, 31).set(Buffer.from(inquiry.padEnd(62, "0"), "hex"));
  const data = driver.allocate(36);
  const status = driver.allocate(13);
  slot.rings.get(out)!.pushAt(command, 31, (1 << 10) | 0x20);
  slot.rings.get(into)!.pushAt(data, 36, (1 << 10) | 0x24);
  slot.rings.get(into)!.pushAt(status, 13, (1 << 10) | 0x24);
  driver.doorbell(slot.id, into);
  driver.doorbell(slot.id, out);
  assert.deepEqual(
    driver.events().map(({ code, length }) => ({ code, length })),
    [
      { code: 1, length: 0 },
      { code: 1, length: 0 },
      { code: 1, length: 0 },
    ],
  );
  assert.equal(Buffer.from(driver.data(data, 36)).toString("latin1", 8, 16), "usbferry");
  assert.equal(Buffer.from(driver.data(status, 13)).toString("hex"), "55534253785634120000000000");
});
