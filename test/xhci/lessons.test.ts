import assert from "node:assert/strict";
import { test } from "node:test";
import { Keyboard } from "../../src/gadgets/keyboard.ts";
import { Zero } from "../../src/gadgets/zero.ts";
import { Speed } from "../../src/usb/speed.ts";
import { TransferStatus } from "../../src/usb/urb.ts";
import { HeldDevice } from "../support/held-device.ts";
import { type DriverSlot, XhciDriver } from "../support/xhci-driver.ts";

// What has gone wrong in virtual controllers before, each told by what a user would have seen.

const NORMAL = 1 << 10;
const [ISP, CH, IOC] = [4, 0x10, 0x20] as const;
const BULK_OUT = 2;
const BULK_IN = 3;
const HSE = 4;
const TRANSFER_EVENT = 32;
const PORT_STATUS_CHANGE_EVENT = 34;

function withZero(speed: Speed = Speed.high): XhciDriver {
  const driver = new XhciDriver();
  driver.plug(new Zero({ speed }));
  driver.start();
  driver.events();
  return driver;
}

function withHeld(): { driver: XhciDriver; device: HeldDevice; slot: DriverSlot } {
  const driver = new XhciDriver();
  const device = new HeldDevice();
  driver.plug(device);
  driver.start();
  driver.events();
  const slot = driver.addressed(1, device.descriptors, device.speed, 1);
  assert.equal(driver.configure(slot).code, 1);
  return { driver, device, slot };
}

/** A transfer of 8 bytes is at the device. */
function whileReading(): { driver: XhciDriver; device: HeldDevice; into: number; trb: number } {
  const { driver, device, slot } = withHeld();
  const into = driver.allocate(8);
  const trb = slot.rings.get(BULK_IN)!.pushAt(into, 8, NORMAL | IOC | ISP);
  driver.doorbell(slot.id, BULK_IN);
  driver.loop.settle();
  return { driver, device, into, trb };
}

test("endpoints of an alternate setting work, in a composite device as in any", () => {
  const driver = withZero();
  const slot = driver.setUp(1, 3, 0, 2);
  slot.rings.get(7)!.pushAt(driver.allocate(64), 64, NORMAL | IOC | ISP);
  driver.doorbell(slot.id, 7);
  assert.equal(driver.events()[0]!.code, 1);
});

test("a device works each time it is plugged in, not every second time: it is reset with its port", () => {
  const driver = new XhciDriver();
  const device = new HeldDevice();
  driver.plug(device);
  driver.start();
  driver.writePortsc(1, 1 << 4);
  driver.loop.settle();
  assert.equal(device.resets.length, 1);
});

test("a device at high speed that could do more is at a USB 2 port", () => {
  const driver = new XhciDriver();
  assert.equal(driver.plug(new Zero({ speed: Speed.high })), 1);
  assert.equal(driver.plug(new Zero({ speed: Speed.super })), 9);
});

test("a hundred devices come and go, one after the other", () => {
  const driver = new XhciDriver({ plan: { usb2Ports: 1, usb3Ports: 1, slots: 2, interrupters: 1 } });
  driver.start();
  for (let i = 0; i < 100; i++) {
    assert.equal(driver.plug(new Zero()), 1);
    driver.events();
    const slot = driver.enumerate(1);
    driver.controller.unplug(1, () => {});
    driver.writePortsc(1, 0x7f << 17);
    driver.events();
    assert.equal(driver.command(0, 0, 0, (10 << 10) | (slot.id << 24)).code, 1);
    driver.reuse();
  }
});

test("endpoints can be made again after the slot was disabled", () => {
  const driver = withZero();
  for (let i = 0; i < 3; i++) {
    const slot = driver.setUp(1, 3);
    slot.rings.get(BULK_IN)!.pushAt(driver.allocate(64), 64, NORMAL | IOC | ISP);
    driver.doorbell(slot.id, BULK_IN);
    assert.equal(driver.events()[0]!.code, 1);
    assert.equal(driver.command(0, 0, 0, (10 << 10) | (slot.id << 24)).code, 1);
  }
});

test("a device that is plugged in twice is refused the second time, and unplugged twice is unplugged", () => {
  const driver = new XhciDriver();
  const zero = new Zero();
  driver.plug(zero);
  let reason = "";
  driver.controller.plug(zero, undefined, (refused) => {
    reason = refused!.reason;
  });
  assert.equal(reason, "busy");
  let unplugged = 0;
  for (let i = 0; i < 2; i++) driver.controller.unplug(1, () => unplugged++);
  driver.controller.unplug(99, () => unplugged++);
  driver.loop.settle();
  assert.equal(unplugged, 3);
});

test("a halt that is cleared on a device that has gone fails, and all else goes on", () => {
  const driver = new XhciDriver();
  const zero = new Zero();
  driver.plug(zero);
  driver.plug(new Keyboard());
  driver.start();
  const slot = driver.setUp(1, 3);
  const other = driver.setUp(2, 1);
  zero.unplug();
  driver.loop.settle();
  driver.events();
  assert.equal(driver.control(slot, [0x02, 1, 0, 0, 0x81, 0, 0, 0]).code, 4);
  assert.equal(driver.control(other, [0x80, 0, 0, 0, 0, 0, 2, 0]).code, 1);
});

test("doorbells of slots and endpoints that are not there are not heard", () => {
  const driver = withZero();
  for (const [slot, target] of [
    [1, 1],
    [64, 3],
    [200, 3],
    [0, 5],
  ] as const)
    driver.doorbell(slot, target);
  const slot = driver.setUp(1, 3);
  for (const target of [0, 9, 31, 32, 255]) driver.doorbell(slot.id, target);
  assert.deepEqual(driver.events(), []);
  assert.equal(driver.usbsts & 0x1004, 0);
});

test("a doorbell that is rung while the ring is walked is not lost", () => {
  const { driver, device, slot } = withHeld();
  const ring = slot.rings.get(BULK_IN)!;
  const submit = device.submit.bind(device);
  device.submit = (urb) => {
    submit(urb);
    if (device.held.length > 1) return;
    ring.pushAt(driver.allocate(8), 8, NORMAL | IOC | ISP);
    driver.doorbell(slot.id, BULK_IN);
  };
  ring.pushAt(driver.allocate(8), 8, NORMAL | IOC | ISP);
  driver.doorbell(slot.id, BULK_IN);
  driver.loop.settle();
  assert.equal(device.held.length, 2);
});

test("a control request reaches the device as it is, whatever its type and recipient", () => {
  const { driver, device, slot } = withHeld();
  for (let type = 0; type < 128; type += 1) {
    const ring = slot.rings.get(1)!;
    ring.push(type | (0xaa << 8) | (0x1234 << 16), 0x5678, 8, (2 << 10) | 0x40);
    ring.push(0, 0, 0, (4 << 10) | IOC | (1 << 16));
    driver.doorbell(slot.id, 1);
    driver.loop.settle();
    assert.deepEqual([...device.held[0]!.setup], [type, 0xaa, 0x34, 0x12, 0x78, 0x56, 0, 0]);
    device.finish(device.held[0]!);
    assert.equal(driver.events()[0]!.code, 1);
  }
});

test("a slot whose endpoint is halted can be disabled", () => {
  const { driver, device, slot } = withHeld();
  slot.rings.get(BULK_IN)!.pushAt(driver.allocate(8), 8, NORMAL | IOC | ISP);
  driver.doorbell(slot.id, BULK_IN);
  driver.loop.settle();
  device.finish(device.held[0]!, TransferStatus.stall, new Uint8Array(0));
  assert.equal(driver.stopEndpoint(slot, BULK_IN).code, 19);
  assert.equal(driver.command(0, 0, 0, (10 << 10) | (slot.id << 24)).code, 1);
});

test("a doorbell behind the command that disables its slot is not heard", () => {
  const { driver, device, slot } = withHeld();
  slot.rings.get(BULK_IN)!.pushAt(driver.allocate(8), 8, NORMAL | IOC | ISP);
  driver.commands.push(0, 0, 0, (10 << 10) | (slot.id << 24));
  driver.doorbell(0, 0);
  driver.doorbell(slot.id, BULK_IN);
  assert.deepEqual(
    driver.events().map(({ type, code }) => ({ type, code })),
    [{ type: 33, code: 1 }],
  );
  assert.equal(device.held.length, 0);
});

test("a ring that waits for memory is not taken for one without an end", () => {
  const { driver, device, slot } = withHeld();
  const large = slot.rings.get(BULK_IN)!;
  const buffer = driver.allocate(65536);
  for (let td = 0; td < 5; td++) {
    for (let i = 0; i < 250; i++) large.pushAt(buffer, 65536, NORMAL | (i < 249 ? CH : IOC));
    driver.doorbell(slot.id, BULK_IN);
    driver.loop.settle();
  }
  const waiting = device.held.length;
  assert.ok(waiting > 0 && waiting < 5, `${waiting} of 5 are under way`);
  const small = slot.rings.get(BULK_OUT)!;
  for (let i = 0; i < 400; i++) {
    small.pushAt(buffer, 8, NORMAL | IOC);
    driver.doorbell(slot.id, BULK_OUT);
    driver.loop.settle();
    device.finish(device.held.at(-1)!);
    assert.equal(driver.events()[0]!.code, 1);
  }
  for (let ended = 0; ended < 5; ended++) {
    device.finish(device.held[0]!, TransferStatus.ok);
    assert.deepEqual(
      driver.events().map(({ code }) => code),
      [1],
    );
  }
});

test("Reset Device leaves the slot in the default state, with the control endpoint alone", () => {
  const driver = withZero();
  const slot = driver.setUp(1, 3);
  assert.equal(driver.resetDevice(slot).code, 1);
  assert.equal(driver.slotState(slot), 1);
  assert.equal(driver.load(slot.context + 12) & 0xff, 0, "address");
  assert.equal(driver.endpointContext(slot, BULK_IN).state, 0);
  assert.equal(driver.addressDevice(slot, false).code, 1);
  assert.equal(driver.control(slot, [0x80, 0, 0, 0, 0, 0, 2, 0]).code, 1);
});

test("Configure Endpoint without endpoints takes an addressed slot to the addressed state", () => {
  const driver = withZero();
  const slot = driver.enumerate(1);
  const input = driver.allocate(33 * 32, 4096);
  driver.store(input, [0, 1]);
  assert.equal(driver.commandAt(input, (12 << 10) | (slot.id << 24)).code, 1);
  assert.equal(driver.slotState(slot), 2);
});

test("a driver that begins anew in the midst of everything finds a new controller", () => {
  const { driver, device, slot } = withHeld();
  for (const dci of [BULK_IN, BULK_OUT]) {
    for (let i = 0; i < 5; i++) slot.rings.get(dci)!.pushAt(driver.allocate(8), 8, NORMAL | IOC | ISP);
    driver.doorbell(slot.id, dci);
  }
  driver.loop.settle();
  assert.equal(device.held.length, 10);
  driver.start();
  assert.equal(device.held.length, 0, "everything was taken back");
  assert.deepEqual(driver.controller.inFlight, { transfers: 0, bytes: 0 });
  assert.deepEqual(
    driver.events().map(({ type }) => type),
    [34],
    "the port alone is news",
  );
  const again = driver.addressed(1, device.descriptors, device.speed, 1);
  assert.equal(again.id, 1);
});

test("a doorbell is heard after everything was cancelled", () => {
  const { driver, device, slot } = withHeld();
  const ring = slot.rings.get(BULK_IN)!;
  for (let round = 0; round < 3; round++) {
    ring.pushAt(driver.allocate(8), 8, NORMAL | IOC | ISP);
    driver.doorbell(slot.id, BULK_IN);
    driver.loop.settle();
    assert.equal(device.held.length, 1);
    assert.equal(driver.stopEndpoint(slot, BULK_IN).code, 1);
    assert.equal(device.held.length, 0);
    assert.equal(driver.setDequeue(slot, BULK_IN, ring.enqueue, ring.cycle).code, 1);
  }
});

test("a TRB carries 65,536 bytes", () => {
  const { driver, device, slot } = withHeld();
  slot.rings.get(BULK_IN)!.pushAt(driver.allocate(65536), 65536, NORMAL | IOC | ISP);
  driver.doorbell(slot.id, BULK_IN);
  driver.loop.settle();
  assert.equal(device.held[0]!.length, 65536);
  device.finish(device.held[0]!, TransferStatus.ok, new Uint8Array(65535));
  assert.equal(driver.events()[0]!.length, 1);
});

test("links in a row are followed, and a ring of nothing else has an end", () => {
  const { driver, device, slot } = withHeld();
  const at = driver.allocate(4096, 4096);
  const link = (to: number) => [to >>> 0, Math.floor(to / 2 ** 32), 0, (6 << 10) | IOC | 1];
  for (let i = 0; i < 100; i++) driver.store(at + 16 * i, link(at + 16 * (i + 1)));
  driver.store(at + 1600, [0, 0, 8, NORMAL | IOC | (1 << 6) | 1]);
  driver.stopEndpoint(slot, BULK_OUT);
  assert.equal(driver.setDequeue(slot, BULK_OUT, at, 1).code, 1);
  driver.doorbell(slot.id, BULK_OUT);
  driver.loop.settle();
  device.finish(device.held[0]!);
  assert.deepEqual(
    driver.events().map(({ code, pointer }) => ({ code, pointer })),
    [{ code: 1, pointer: at + 1600 }],
    "the IOC of a Link TRB asks for nothing",
  );
  driver.store(at + 1616, link(at + 1616));
  driver.doorbell(slot.id, BULK_OUT);
  assert.equal(driver.events()[0]!.code, 5);
  assert.equal(driver.endpointContext(slot, BULK_OUT).state, 4);
});

test("a ring of TRBs that do nothing, without an end, is walked for a while", () => {
  const { driver, slot } = withHeld();
  const at = driver.allocate(4096, 4096);
  driver.store(at, [0, 0, 0, (8 << 10) | 1]);
  driver.store(at + 16, [at >>> 0, Math.floor(at / 2 ** 32), 0, (6 << 10) | 1]);
  driver.stopEndpoint(slot, BULK_OUT);
  driver.setDequeue(slot, BULK_OUT, at, 1);
  driver.doorbell(slot.id, BULK_OUT);
  assert.equal(driver.events()[0]!.code, 5);
});

test("a TD without an end is walked for a while, and costs little memory", () => {
  const { driver, slot } = withHeld();
  const at = driver.allocate(4096, 4096);
  driver.store(at, [at >>> 0, Math.floor(at / 2 ** 32), 16, NORMAL | CH | 1]);
  driver.store(at + 16, [at >>> 0, Math.floor(at / 2 ** 32), 0, (6 << 10) | CH | 1]);
  driver.stopEndpoint(slot, BULK_OUT);
  driver.setDequeue(slot, BULK_OUT, at, 1);
  driver.doorbell(slot.id, BULK_OUT);
  assert.equal(driver.events()[0]!.code, 5);
  assert.equal(driver.controller.inFlight.transfers, 0);
});

test("a device may take a minute for a control request", () => {
  const { driver, device, slot } = withHeld();
  const ring = slot.rings.get(1)!;
  ring.push(0x40, 0, 8, (2 << 10) | 0x40);
  ring.push(0, 0, 0, (4 << 10) | IOC | (1 << 16));
  driver.doorbell(slot.id, 1);
  driver.loop.advance(60_000);
  assert.deepEqual(driver.events(), []);
  device.finish(device.held[0]!);
  assert.equal(driver.events()[0]!.code, 1);
});

test("an event is in memory as a whole before its interrupt is raised", () => {
  const driver = new XhciDriver();
  driver.start();
  driver.loop.advance(1);
  let seen = 0;
  driver.raised.push = () => {
    seen = driver.peekEvents().length;
    return 0;
  };
  driver.commands.push(0, 0, 0, 23 << 10);
  driver.doorbell(0, 0);
  driver.loop.settle();
  assert.equal(seen, 1);
});

test("there are as many vectors as interrupters", () => {
  const driver = new XhciDriver();
  assert.equal(driver.controller.vectors, (driver.read(4) >>> 8) & 0x7ff);
});

test("memory that goes away under the rings stops the controller, and comes back with it", () => {
  const { driver, device } = whileReading();
  driver.unmapAll();
  driver.controller.memoryChanged("taken");
  device.finish(device.held[0]!);
  driver.doorbell(0, 0);
  driver.loop.settle();
  assert.equal(driver.usbsts & 5, 5, "HSE and HCH");
  assert.notEqual(driver.read(0), 0xffff_ffff);
  driver.mapAll();
  driver.start();
  assert.equal(driver.command(0, 0, 0, 23 << 10).code, 1);
});

test("firmware that sets up shadow memory loses no transfer: the VMM takes memory away and gives it back", () => {
  const { driver, device, into, trb } = whileReading();
  driver.unmapAll();
  driver.controller.memoryChanged("taken");
  const [urb] = device.held;
  urb!.buffer.fill(0x5a, urb!.offset, urb!.offset + 8);
  urb!.actualLength = 8;
  device.finish(urb!);
  driver.plug(new Zero({ speed: Speed.high }));
  driver.loop.advance(20);
  driver.mapAll();
  driver.controller.memoryChanged("given");
  driver.loop.advance(40);
  assert.equal(driver.peekEvents().length, 0, "more of the change may come");
  driver.loop.advance(20);
  const events = driver.peekEvents();
  assert.deepEqual(
    events.map(({ type }) => type),
    [PORT_STATUS_CHANGE_EVENT, TRANSFER_EVENT],
  );
  assert.equal(events[1]!.pointer, trb);
  assert.deepEqual(driver.data(into, 8), new Uint8Array(8).fill(0x5a));
  assert.equal(driver.usbsts & HSE, 0);
});

test("an access of the guest tells that the VMM is done with its memory", () => {
  const { driver, device } = whileReading();
  driver.controller.memoryChanged("taken");
  device.finish(device.held[0]!);
  driver.loop.settle();
  assert.equal(driver.peekEvents().length, 0);
  driver.read(0);
  driver.loop.settle();
  assert.equal(driver.events().length, 1);
});

test("memory that is not given back stops the controller when it is needed", () => {
  const { driver, device } = whileReading();
  driver.unmapAll();
  driver.controller.memoryChanged("taken");
  device.finish(device.held[0]!);
  driver.loop.advance(60);
  assert.equal(driver.usbsts & HSE, HSE);
});
